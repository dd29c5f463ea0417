"""placeholder"""
from iii_actors.builtin.placeholders import _Quiet
class EngineFunctions(_Quiet):
    description = "x"
