from iii_actors.builtin.http import Http
from iii_actors.builtin.http.routes import Routes
from tests.support.http_engine import site


def test_it_has_its_actors_and_its_routes(shared):
    shared.route("worker/x", lambda _: {"body": 1})
    assert any(isinstance(ref._actor_weakref(), Routes) for ref in shared.front.actors())
    names = {figures.name for figures in shared.engine.actors()}
    assert "Routes" in names
    assert [route.title for route in shared.front.routes()] == ["GET worker/x"]


def test_two_fronts_in_one_engine_serve_the_same_type_by_turns():
    """The later one takes the trigger type over; both answer what they were told, and both stop."""
    from iii_actors import Engine, EngineConfig

    entries = [{"name": "iii-worker-manager", "config": {"port": 0}}]
    entries += [{"name": "iii-http", "config": {"port": 0}} for _ in range(2)]
    with Engine(EngineConfig(workers=entries)) as engine:
        fronts = [one for one in engine._builtins if isinstance(one, Http)]
        assert [one.id for one in fronts] == ["iii-http", "iii-http#1"]
        assert fronts[0].address != fronts[1].address


def test_a_worker_that_takes_the_type_over_takes_the_routes_with_it():
    with site() as own:
        own.route("taken", lambda _: {"body": 1})
        peer = own.make()
        peer.send(type="registertriggertype", id="http", description="mine")
        assert peer.expect(type="registertrigger")["config"]["api_path"] == "taken"
        assert own.get("/taken").status_code == 404
        peer.close()
        own.worker.call("engine::workers::list", {})
        for _ in range(1000):
            if own.get("/taken").status_code == 200:
                break
        assert own.get("/taken").status_code == 200
