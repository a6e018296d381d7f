"""Stands in for image-gen where a test is about the deployment: does at once what its model's name says."""

import json
import os
import pathlib
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

MODEL = os.environ.get("MODEL_DIR") or os.environ["MODEL_ID"]
CACHE = pathlib.Path(os.environ["HF_HUB_CACHE"]) / ("models--" + MODEL.replace("/", "--"))

if MODEL == "stub/dies":
    sys.exit("no libcuda.so here")

BAKED = pathlib.Path("/opt/models/id").read_text().strip()
source = "baked" if BAKED == MODEL else "volume" if CACHE.exists() else "download"
CACHE.mkdir(parents=True, exist_ok=True)
code = pathlib.Path(__file__).with_name("code")

error = None
if MODEL == "stub/missing":
    error = {"code": "MODEL_NOT_FOUND", "message": "stub/missing is not on the hub.", "retryable": False}
if MODEL == "stub/unreachable":
    error = {"code": "HUB_UNREACHABLE", "message": "the hub does not answer.", "retryable": True}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        state = {"phase": "failed" if error else "ready", "bytes_done": 0, "bytes_total": 0, "eta_seconds": None}
        facts = {"model": MODEL, "source": source, "device": "cpu", "version": code.read_text() if code.exists() else None}
        body = json.dumps({**state, "error": error, **facts}).encode()
        self.send_response(503 if error else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


HTTPServer(("0.0.0.0", 8000), Handler).serve_forever()
