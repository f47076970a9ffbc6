"""Images per second, of which the call that compiles is no part."""

from trainer.reporting.throughput import Throughput


def test_the_first_call_counts_only_until_there_is_another():
    throughput = Throughput()
    assert throughput.mean == 0
    assert throughput.add(64, 32.0) == throughput.mean == throughput.since_log() == 2
    assert throughput.add(128, 2.0) == throughput.mean == 64
    assert throughput.add(128, 4.0) == 32
    assert (throughput.mean, throughput.since_log()) == (256 / 6, 256 / 6)
    throughput.add(640, 4.0)
    assert (throughput.since_log(), throughput.mean, throughput.calls) == (160, 89.6, 4)
