import pytest

from fer_core.evaluation.hardware import hardware, lacks_bfloat16


@pytest.mark.parametrize(
    ("flags", "lacks"), [("sse2 avx2 fma", True), ("avx2 avx512_bf16", False), ("avx2 amx_bf16", False), (None, False)]
)
def test_a_processor_lacks_bfloat16_only_where_it_is_known_to(flags, lacks, tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    if flags is not None:
        cpuinfo.write_text(f"model name\t: Some\nflags\t\t: {flags}\n")
    assert lacks_bfloat16(cpuinfo) == lacks


def test_the_machine_is_named_with_its_cores():
    assert "core" in hardware()
