import json

from iii_actors.builtin.http.schemas import CALL_REQUEST, CONFIG


def test_they_are_draft_07_with_the_protocols_titles():
    config, request = json.loads(bytes(CONFIG)), json.loads(bytes(CALL_REQUEST))
    for schema in (config, request):
        assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
        assert set(schema["required"]) <= set(schema["properties"])
    assert (config["title"], request["title"]) == ("HttpTriggerConfig", "HttpCallRequest")
    method = config["properties"]["http_method"]
    assert method["default"] == "GET"
    assert set(method["enum"]) == {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", None}
    assert "null" in config["properties"]["condition_function_id"]["type"]
