"""The commands of docs/how-to/sign-a-model.md: a good signature passes, a changed file does not.

The page shows lines of this file; each half runs where its tool is installed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import layerkit

ROOT = Path(__file__).resolve().parents[2]

SSH_SIGN = """
ssh-keygen -q -t ed25519 -N "" -C ada@example.org -f signing-key
ssh-keygen -Y sign -f signing-key -n layerkit digits.layerkit
"""
SSH_VERIFY = """
echo "ada@example.org $(cat signing-key.pub)" > signers
ssh-keygen -Y verify -f signers -I ada@example.org -n layerkit -s digits.layerkit.sig < digits.layerkit
"""  # noqa: E501  # a line that readers copy
OPENSSF_SIGN = """
openssl ecparam -name prime256v1 -genkey -noout -out signing-key.pem
openssl ec -in signing-key.pem -pubout -out signing-key.pub.pem
model_signing sign key --private_key signing-key.pem --signature digits.layerkit.sig digits.layerkit
"""
OPENSSF_VERIFY = """
model_signing verify key --public_key signing-key.pub.pem --signature digits.layerkit.sig digits.layerkit
"""  # noqa: E501

WAYS = {
    "ssh": (["ssh-keygen"], SSH_SIGN, SSH_VERIFY, 'Good "layerkit" signature for ada@example.org'),
    "openssf": (
        ["model_signing", "openssl"],
        *(OPENSSF_SIGN, OPENSSF_VERIFY),
        "Verification succeeded",
    ),
}


def run(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return subprocess.run(
        ["sh", "-e", "-c", script],
        cwd=folder,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("way", WAYS)
def test_a_good_signature_passes_and_a_changed_file_does_not(way: str, tmp_path: Path) -> None:
    tools, sign, verify, words = WAYS[way]
    near = str(Path(sys.executable).parent)
    lacking = [t for t in tools if shutil.which(t) is None and shutil.which(t, path=near) is None]
    if lacking or os.name != "posix":
        pytest.skip(f"not installed: {', '.join(lacking)}")
    if way == "openssf" and run("model_signing --version", tmp_path).returncode != 0:
        pytest.skip("model_signing does not start: PyOpenSSL may be missing")
    target = tmp_path / "digits.layerkit"
    layerkit.save(layerkit.build(ROOT / "models" / "highway-digits.json"), target)
    raw = target.read_bytes()
    signed = run(sign, tmp_path)
    assert signed.returncode == 0, signed.stderr
    assert target.read_bytes() == raw
    good = run(verify, tmp_path)
    assert good.returncode == 0, good.stderr
    assert words in good.stdout + good.stderr
    # A change that leaves the file a valid one: only the signature can tell.
    other = layerkit.load(target)
    other.network.params[0] += 1
    layerkit.save(other, target)
    layerkit.load(target)
    bad = run(verify, tmp_path)
    assert bad.returncode != 0
    assert words not in bad.stdout + bad.stderr
    target.write_bytes(raw)
    assert run(verify, tmp_path).returncode == 0


def test_the_id_of_the_verified_file_refuses_another(tmp_path: Path) -> None:
    model = layerkit.build({"layerkit": 1, "input": {"shape": [2]}, "layers": []})
    first = layerkit.save(model, tmp_path / "m")
    model.metadata = {"changed": True}
    layerkit.save(model, tmp_path / "m")
    with pytest.raises(layerkit.CorruptFileError, match="another model"):
        layerkit.load(tmp_path / "m", expected_id=first)


def test_the_promises_in_security_md_name_tests_that_are_there() -> None:
    """A promise whose test was renamed or removed is no promise."""
    text = (ROOT / "SECURITY.md").read_text("utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text)
    assert len(named) > 10
    for path, name in named:
        source = (ROOT / path).read_text("utf-8")
        assert not name or re.search(rf"^ *def {name}\(", source, re.M), f"{path}::{name}"
