"""A real S3 server on free loopback ports, with one bucket, for as long as a test needs it."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyarrow.fs import S3FileSystem

WEED = Path(sys.executable).with_name("weed")
PATIENCE_SECONDS = 60
ACCESS, SECRET = "tester", "tester-secret"
BUCKET = "tables"
# Where the server puts its local sockets, whatever it is told, and leaves them.
SOCKETS = Path("/tmp")


@contextmanager
def running_s3(folder: Path) -> Iterator[str]:
    """Start SeaweedFS in `folder` and give its address; stop it afterwards."""
    identity = {"name": "tester", "credentials": [{"accessKey": ACCESS, "secretKey": SECRET}]}
    config = folder / "s3.json"
    config.write_text(
        json.dumps({"identities": [identity | {"actions": ["Admin", "Read", "Write", "List"]}]})
    )
    ports = {name: free_port() for name in ("master.port", "volume.port", "filer.port", "s3.port")}
    grpc = {f"{name}.grpc": free_port() for name in ports}
    options = [f"-{name}={port}" for name, port in {**ports, **grpc}.items()]
    fixed = [f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3", f"-s3.config={config}"]
    small = ["-s3.port.iceberg=0", "-s3.port.lance=0", "-volume.max=8", "-master.volumeSizeLimitMB=64"]
    with (folder / "weed.log").open("w") as log:
        server = subprocess.Popen([str(WEED), "server", *fixed, *small, *options], stdout=log, stderr=log)
    address = f"http://127.0.0.1:{ports['s3.port']}"
    try:
        wait_for_bucket(server, address)
        yield address
    finally:
        server.kill()
        server.wait()
        for port in (*ports.values(), *grpc.values()):
            for left in SOCKETS.glob(f"seaweedfs-*-{port}.sock"):
                left.unlink()


def connect(address: str) -> S3FileSystem:
    return S3FileSystem(
        allow_bucket_creation=True,
        endpoint_override=address,
        access_key=ACCESS,
        secret_key=SECRET,
        region="us-east-1",
        connect_timeout=2,
    )


def wait_for_bucket(server: subprocess.Popen[bytes], address: str) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            filesystem = connect(address)
            filesystem.create_dir(BUCKET)
            with filesystem.open_output_stream(f"{BUCKET}/ready") as stream:
                stream.write(b"yes")
        except OSError:
            if server.poll() is not None or time.monotonic() > until:
                raise
            time.sleep(0.2)
        else:
            return


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
