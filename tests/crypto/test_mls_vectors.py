"""The passive-client vectors of RFC 9420: OpenMLS under both crypto providers, with our rows between any two epochs.

A passive client is given the private keys of a member, joins by the Welcome and follows every commit; the authenticator
of each epoch has to be the one in the vector. The vectors are those of the MLS working group (mls-implementations,
`passive-client-*.json`). They lie beside the repository and not in it.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from support import mls_proofs
from whimbrel.crypto import mls

proofs = mls_proofs.load()

VECTORS = Path(__file__).parents[2].parent / "shared" / "vectors" / "mls"
#: What each provider has, of the suites that the working group made vectors for.
SUITES = {"libcrux": {1, 3}, "rustcrypto": {1, 2, 3}}

both_providers = pytest.mark.parametrize("provider", SUITES)


def vectors(provider: str, name: str) -> list[dict[str, Any]]:
    """Those of one file that the provider has the suite for."""
    if not VECTORS.is_dir():
        pytest.skip(f"the vectors of RFC 9420 are not there: {VECTORS}")
    found = json.loads((VECTORS / f"{name}.json").read_bytes())
    return [vector for vector in found if vector["cipher_suite"] in SUITES[provider]]


def client_of(vector: dict[str, Any], provider: str) -> Any:
    client = proofs.PassiveClient(vector["cipher_suite"], provider)
    for psk in vector["external_psks"]:
        client.store_psk(bytes.fromhex(psk["psk_id"]), bytes.fromhex(psk["psk"]))
    client.import_key_package(
        *(bytes.fromhex(vector[name]) for name in ("key_package", "init_priv", "encryption_priv"))
    )
    return client


def joined(client: Any, vector: dict[str, Any]) -> str:
    tree = vector.get("ratchet_tree")
    authenticator: bytes = client.join(
        bytes.fromhex(vector["welcome"]), bytes.fromhex(tree) if tree else None
    )
    return authenticator.hex()


def followed(client: Any, epoch: dict[str, Any]) -> str:
    proposals = [bytes.fromhex(proposal) for proposal in epoch["proposals"]]
    authenticator: bytes = client.follow(proposals, bytes.fromhex(epoch["commit"]))
    return authenticator.hex()


@both_providers
@pytest.mark.parametrize("name", ["passive-client-welcome", "passive-client-random"])
def test_a_passive_client_comes_to_every_authenticator_of_the_vectors(provider: str, name: str) -> None:
    joins = epochs = 0
    for vector in vectors(provider, name):
        client = client_of(vector, provider)
        assert joined(client, vector) == vector["initial_epoch_authenticator"]
        joins += 1
        for epoch in vector["epochs"]:
            assert followed(client, epoch) == epoch["epoch_authenticator"]
            epochs += 1
    print(f"{name}, {provider}: {joins} joined, {epochs} epochs followed")
    assert joins > 0
    assert epochs > 0 or name == "passive-client-welcome"


@both_providers
def test_whimbrel_reads_what_a_passive_client_left_on_its_disk(provider: str) -> None:
    read = 0
    for vector in vectors(provider, "passive-client-welcome"):
        client = client_of(vector, provider)
        joined(client, vector)
        rows = client.rows()
        engine = mls.Engine(*mls.Engine.new_signature_key())
        engine.feed(rows)
        (group_id,) = {scope for scope, _, _ in rows if scope}
        group = engine.load_group(group_id)
        assert group is not None
        assert group.epoch_authenticator().hex() == vector["initial_epoch_authenticator"]
        read += 1
    print(f"passive-client-welcome, {provider}: {read} groups read")
    assert read > 0


@both_providers
def test_a_vector_with_another_secret_or_another_commit_is_refused(provider: str) -> None:
    refused = 0
    for vector in vectors(provider, "passive-client-welcome"):
        if not vector["external_psks"]:
            continue
        (first, *others) = vector["external_psks"]
        changed = first | {"psk": bytes(len(first["psk"]) // 2).hex()}
        with pytest.raises(proofs.MlsError):
            joined(client_of(vector | {"external_psks": [changed, *others]}, provider), vector)
        refused += 1
    assert refused > 0
    for vector in vectors(provider, "passive-client-random"):
        client = client_of(vector, provider)
        joined(client, vector)
        epoch = vector["epochs"][0]
        commit = bytearray.fromhex(epoch["commit"])
        commit[-1] ^= 1
        with pytest.raises(proofs.MlsError):
            followed(client, epoch | {"commit": commit.hex()})
