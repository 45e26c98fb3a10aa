"""Rewriting of a traced graph into the one form that equal networks share."""

from __future__ import annotations

from .nodes import make_node
from .records import Record


def normalize(records: list[Record], results: list[Record]):
    """Operations, edges and attributes of the normal form.

    Nodes on no path from the input to the output go. A convolution takes up the batch
    normalisation and the activation behind it, a linear layer the activation, each where nothing
    else sees the value between; so do sums and concatenations with one of their kind.

    Parameters
    ----------
    records : list of Record
        In the order of the trace; the first is the input. Changed in place.
    results : list of Record
        What the network gives.

    Returns
    -------
    ops : list of str, length V
        In the order of the trace, the input first and the output last.
    edges : list of (int, int)
    attributes : list of dict, length V
    """
    output = Record(make_node("output"), list(dict.fromkeys(results)))
    records = _alive([*records, output])
    records = _fuse(records)
    records = _merge(records)
    place = {record: k for k, record in enumerate(records)}
    edges = [(place[feeder], place[record]) for record in records for feeder in record.inputs]
    nodes = [record.node for record in records]
    return [node.type for node in nodes], edges, [node.attributes for node in nodes]


def _alive(records: list[Record]) -> list[Record]:
    """Those that the last one needs. All of them come from the input: constants are no records."""
    needed = {records[-1]}
    for record in reversed(records):  # consumers come after what they consume
        if record in needed:
            needed.update(record.inputs)
    return [record for record in records if record in needed]


def _fuse(records: list[Record]) -> list[Record]:
    """Convolutions and linear layers with what follows them alone."""
    consumers = _consumers(records)
    gone = set()
    for record in records:
        convolution = record.node.type in ("conv", "sepconv")
        if not convolution and record.node.type != "linear":
            continue
        follower = _follower(record, consumers)
        if convolution and follower is not None and _is_batch_norm(follower):
            record.node = make_node(record.node.type, **{**record.node.attributes, "norm": True})
            _absorb(record, follower, consumers)
            gone.add(follower)
            follower = _follower(record, consumers)
        if follower is not None and follower.node.type == "act":
            act = follower.node.attributes["kind"]
            record.node = make_node(record.node.type, **{**record.node.attributes, "act": act})
            _absorb(record, follower, consumers)
            gone.add(follower)
    return [record for record in records if record not in gone]


def _merge(records: list[Record]) -> list[Record]:
    """Sums of sums into one, likewise concatenations along the same axis."""
    consumers = _consumers(records)
    gone = set()
    for record in records:
        if record.node.type not in ("add", "concat"):
            continue
        inputs = []
        for feeder in record.inputs:
            same = feeder.node == record.node and feeder.axis == record.axis
            if same and consumers[feeder] == [record]:
                inputs += feeder.inputs
                gone.add(feeder)
                for term in feeder.inputs:
                    consumers[term] = [
                        *(user for user in consumers[term] if user not in (feeder, record)), record
                    ]  # fmt: skip
            else:
                inputs.append(feeder)
        record.inputs = list(dict.fromkeys(inputs))
    return [record for record in records if record not in gone]


def _consumers(records: list[Record]) -> dict[Record, list[Record]]:
    consumers: dict[Record, list[Record]] = {record: [] for record in records}
    for record in records:
        for feeder in record.inputs:
            consumers[feeder].append(record)
    return consumers


def _follower(record: Record, consumers) -> Record | None:
    """The only consumer, if it consumes nothing else."""
    users = consumers[record]
    return users[0] if len(users) == 1 and users[0].inputs == [record] else None


def _is_batch_norm(record: Record) -> bool:
    return record.node.type == "norm" and record.node.attributes.get("kind") == "batch"


def _absorb(record: Record, follower: Record, consumers) -> None:
    """Let `record` stand where its only follower stood."""
    for user in consumers[follower]:
        user.inputs = [record if feeder is follower else feeder for feeder in user.inputs]
    consumers[record] = consumers[follower]
