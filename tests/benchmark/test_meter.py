import sys
import time

import numpy as np
import pytest

from sksubsel.benchmark import Meter
from sksubsel.benchmark import meter as meter_module


def test_meter_integrates_memory(monkeypatch):
    monkeypatch.setattr(meter_module, "_memory_reader", lambda device: lambda: 3e9)
    with Meter(interval=0.01) as meter:
        time.sleep(0.1)
    assert meter.seconds >= 0.1
    assert meter.gb_minutes == pytest.approx(3 * meter.seconds / 60, rel=0.2)
    monkeypatch.setattr(meter_module, "_memory_reader", lambda device: None)
    with Meter() as meter:
        pass
    assert meter.seconds > 0 and np.isnan(meter.gb_minutes)


def test_meter_reads_memory_of_the_process():
    pytest.importorskip("psutil")
    with Meter(interval=0.001) as meter:
        time.sleep(0.05)
    gigabytes = meter.gb_minutes / (meter.seconds / 60)
    assert 0.02 < gigabytes < 100


def test_memory_needs_no_psutil(monkeypatch):
    monkeypatch.setitem(sys.modules, "psutil", None)
    assert meter_module._memory_reader("cpu") is None


def test_meter_reads_energy(tmp_path, monkeypatch):
    for name, before in (("intel-rapl:0", 900), ("intel-rapl:1", 10), ("intel-rapl:0:0", 5)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "max_energy_range_uj").write_text("999")
        (tmp_path / name / "energy_uj").write_text(f"{before}\n")
    counters = meter_module._energy_counters(tmp_path)
    assert [path.parent.name for path, _ in counters] == ["intel-rapl:0", "intel-rapl:1"]
    monkeypatch.setattr(meter_module, "_energy_counters", lambda: counters)
    with Meter() as meter:
        (tmp_path / "intel-rapl:0" / "energy_uj").write_text("100")  # past its largest value
        (tmp_path / "intel-rapl:1" / "energy_uj").write_text("40")
    assert meter.energy == pytest.approx((200 + 30) / 1e6)
    with Meter() as meter:
        (tmp_path / "intel-rapl:1" / "energy_uj").unlink()
    assert np.isnan(meter.energy)
    monkeypatch.setattr(meter_module, "_energy_counters", lambda: [])
    with Meter() as meter:
        pass
    assert np.isnan(meter.energy)
