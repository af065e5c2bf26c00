"""A push endpoint of the plain kind: check the signature, run a command, answer."""

import hashlib
import hmac
import json
import os
import subprocess

SECRET = os.environ["BENCH_SECRET"].encode()
CHECKOUT = os.environ["BENCH_CHECKOUT"]
COMMAND = json.loads(os.environ["BENCH_COMMAND"])
CODES = os.open(os.environ["BENCH_PULLS"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)


def answer(start_response, status, text):
    body = text.encode()
    start_response(
        status,
        [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))],
    )
    return [body]


def application(environ, start_response):
    if environ["REQUEST_METHOD"] != "POST":
        return answer(start_response, "405 Method Not Allowed", "POST a push\n")
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    expected = "sha1=" + hmac.new(SECRET, body, hashlib.sha1).hexdigest()
    given = environ.get("HTTP_X_CODING_SIGNATURE", "")
    if not hmac.compare_digest(expected.encode(), given.encode("latin-1")):
        return answer(start_response, "403 Forbidden", "wrong signature\n")
    push = json.loads(body)
    if environ.get("HTTP_X_CODING_EVENT") != "push" or push.get("ref") != "refs/heads/main":
        return answer(start_response, "200 OK", "ignored\n")
    code = subprocess.run(
        COMMAND, cwd=CHECKOUT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ).returncode
    os.write(CODES, b"%d\n" % code)
    return answer(start_response, "200 OK", "done\n")
