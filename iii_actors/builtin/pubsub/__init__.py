"""``iii-pubsub``: publish and subscribe (pubsub.md).

`topics` is the light actor that knows all subscriptions and answers ``publish``; `desk` makes and ends subscriptions.
`bus` is the contract of what carries messages between engines, `redis_bus` and `redis_reader` are the two halves of
the one there is. `worker` puts it all together.
"""

from iii_actors.builtin.pubsub.worker import PubSub

__all__ = ["PubSub"]
