"""placeholder"""
from iii_actors.actor import LightActor
class Channels(LightActor):
    def __init__(self, clock):
        super().__init__()
