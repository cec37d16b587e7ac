"""`ray up ray_config.yaml`, real but for AWS itself: moto answers as EC2, and the node is a bare Debian behind sshd.

    python -m tests.tools.launcher --root DIR

It needs root, debootstrap, rsync, an SSH client, some 25 GB and the package registries. Ray's launcher is the pinned
one and runs all of its steps (nodes, keys, file mounts, initialisation, setup and start commands) as it would against a
cloud; then doctor is submitted to the head that came up. DIR is made by debootstrap if it is not there, and kept. The
config is the committed one, but for the way to the node (an SSH proxy).
"""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import tyro
import yaml
from moto.server import ThreadedMotoServer

from tests.tools.head import RAY, ROOT, _free_ports

PACKAGES = "ca-certificates,iproute2,openssh-server,procps,python3,rsync,sudo"


def main(root: Path) -> None:
    """Bring a head up in the folder `root`, and submit doctor to it."""
    if not (root / "bin").exists():
        make_root(root)
    [port] = _free_ports(1)
    with tempfile.TemporaryDirectory(prefix="si") as home, moto() as aws, node(root, port):
        environment = os.environ | aws | {"HOME": home, "RAY_AUTH_MODE": "token", "NO_PROXY": "127.0.0.1"}
        environment |= {"PATH": f"{RAY.parent}:{os.environ['PATH']}", "RAY_USAGE_STATS_ENABLED": "0"}
        token = Path(home, ".ray/auth_token")
        token.parent.mkdir(mode=0o700)
        token.touch(mode=0o600)
        token.write_text(secrets.token_hex(32))
        trusted(root, Path(home))
        config = Path(home, "config.yaml")
        config.write_text(yaml.safe_dump(through(port, Path(home, "relay"))))
        subprocess.run([RAY, "up", "-y", "--no-config-cache", config], cwd=ROOT, env=environment, check=True)
        environment["RAY_API_SERVER_ADDRESS"] = "http://127.0.0.1:8265"
        command = "python -m jobs.doctor --out /tmp/run --engine template --replicas 1"
        words = [RAY, "job", "submit", "--working-dir", ".", "--", *command.split()]
        while subprocess.run(words, cwd=ROOT, env=environment).returncode:  # the head's agent is starting still
            time.sleep(5)
        print((root / "home/ubuntu/.ray/auth_token").stat())


def make_root(root: Path) -> None:
    """A small Debian with a user `ubuntu` who may use sudo, as cloud images have one."""
    subprocess.run(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", root], check=True)
    subprocess.run(["chroot", root, "useradd", "--create-home", "--shell", "/bin/bash", "ubuntu"], check=True)
    (root / "etc/sudoers.d/ubuntu").write_text("ubuntu ALL=(ALL) NOPASSWD:ALL\n")
    for name in ("etc/resolv.conf", "etc/ssl/certs/ca-certificates.crt"):  # the registries are reached as from here
        (root / name).write_bytes(Path("/", name).read_bytes())
    (root / "etc/uv").mkdir()
    (root / "etc/uv/uv.toml").write_text("system-certs = true\n")


@contextmanager
def moto() -> Iterator[dict[str, str]]:
    """An account in which deploy/aws.yaml was deployed, as the environment that leads to it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    aws = {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    os.environ.update(aws | {"AWS_DEFAULT_REGION": "us-east-1"})
    template = (ROOT / "deploy/aws.yaml").read_text()
    boto3.client("cloudformation").create_stack(
        StackName="selfinstruct",
        TemplateBody=re.sub(r"  OverTlsOnly:.*?\n\n", "", template, flags=re.DOTALL),  # moto knows no bucket policies
        Parameters=[{"ParameterKey": "Bucket", "ParameterValue": "runs"}],
    )
    try:
        yield aws
    finally:
        server.stop()


@contextmanager
def node(root: Path, port: int) -> Iterator[None]:
    """sshd in `root`, with processes and mounts of its own that end with it."""
    mounts = ["mount -t proc proc $0/proc", "mount --rbind /dev $0/dev"]
    (root / "run/sshd").mkdir(exist_ok=True)
    sshd = f"exec chroot $0 /usr/sbin/sshd -D -e -p {port} -o ListenAddress=127.0.0.1"
    command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", "-ec", "\n".join([*mounts, sshd]), root]
    process = subprocess.Popen(command)
    try:
        yield
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def trusted(root: Path, home: Path) -> None:
    """The key pair that Ray's launcher would make, made before, so that the node knows it."""
    name = "ray-autoscaler_us-east-1"
    key = home / ".ssh" / f"{name}.pem"
    key.parent.mkdir(mode=0o700)
    key.touch(mode=0o600)
    key.write_text(boto3.client("ec2").create_key_pair(KeyName=name)["KeyMaterial"])
    public = subprocess.run(["ssh-keygen", "-y", "-f", key], check=True, capture_output=True).stdout
    keys = root / "home/ubuntu/.ssh/authorized_keys"
    keys.parent.mkdir(mode=0o700, exist_ok=True)
    keys.write_bytes(public)
    subprocess.run(["chroot", root, "chown", "-R", "ubuntu:", "/home/ubuntu/.ssh"], check=True)


def through(port: int, relay: Path) -> dict[str, object]:
    """The committed config, with SSH led to the node's port."""
    relay.write_text(f"#!/bin/bash\nexec 3<>/dev/tcp/127.0.0.1/{port}\ncat <&3 &\ncat >&3\nkill $!\n")
    relay.chmod(0o700)
    config: dict[str, dict[str, object]] = yaml.safe_load((ROOT / "ray_config.yaml").read_text())
    config["auth"]["ssh_proxy_command"] = str(relay)
    return dict(config)


if __name__ == "__main__":
    sys.exit(tyro.cli(main))
