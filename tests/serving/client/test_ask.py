import json
import shlex
import subprocess

import pytest

from serving.client.ask import curl_line, request
from serving.engine.app import Endpoint
from serving.engine.settings import ServeSettings

ENDPOINT = Endpoint("http://127.0.0.1:8000/v1", "quickstart")


@pytest.mark.parametrize(
    "question", ["What does the json module do?", 'it\'s "quoted"\n$HOME `date` \\n !', "Was heißt 'größer'? 🧵"]
)
def test_the_curl_line_carries_the_question_through_a_shell_unharmed(question: str) -> None:
    line = curl_line(ENDPOINT, question, ServeSettings(max_tokens=17))
    printed = subprocess.run(["bash", "-c", f"printf '%s\\n' {line} | tail -n +6"], capture_output=True, text=True, check=True)
    assert json.loads(printed.stdout) == request(ENDPOINT, question, ServeSettings(max_tokens=17))
    assert shlex.split(line)[:2] == ["curl", "http://127.0.0.1:8000/v1/chat/completions"]


def test_a_question_is_asked_greedily_of_the_served_name() -> None:
    body = request(ENDPOINT, "q", ServeSettings(max_tokens=17))
    assert body == {"model": "quickstart", "messages": [{"role": "user", "content": "q"}], "max_tokens": 17, "temperature": 0}
