import iii_actors
from iii_actors.actor import ask
from iii_actors.builtin.engine_functions import EngineFunctions
from iii_actors.core.messages import ListFunctions, ListTriggerTypes

OWN = {"EngineDesk", "WorkerEvents", "FunctionEvents"}


def own_worker(engine):
    (found,) = [builtin for builtin in engine._builtins if isinstance(builtin, EngineFunctions)]
    return found


def test_its_actors_are_among_the_engine_s_and_end_with_it(engine):
    refs = own_worker(engine).actors()
    assert {figures.name for figures in engine.actors()} >= OWN
    assert all(ref.is_alive() for ref in refs)
    engine.stop()
    assert not any(ref.is_alive() for ref in refs)


def test_two_engines_have_one_each(engine):
    with iii_actors.Engine(iii_actors.EngineConfig.listening(port=0)) as other:
        assert not {*own_worker(engine).actors()} & {*own_worker(other).actors()}


def test_stopped_it_takes_everything_back_and_the_registries_go_on(engine):
    core, builtin = engine.core, own_worker(engine)
    builtin.stop()
    assert [one for one in ask(core.functions, ListFunctions()) if one.target.worker_id == builtin.id] == []
    assert [one for one in ask(core.triggers, ListTriggerTypes()) if one.provider.worker_id == builtin.id] == []
    builtin.start()
    assert len(ask(core.functions, ListFunctions())) > 20
