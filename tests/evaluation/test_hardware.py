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


def test_the_machine_is_named_with_its_cores_and_what_int8_runs_on(tmp_path):
    assert "core" in hardware()
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("model name\t: Some\nflags\t\t: avx2 avx512f avx512_vnni\nmodel name\t: Some\n")
    assert hardware(cpuinfo=cpuinfo).startswith("Some, AVX-512 VNNI, ")
    assert hardware("GPU", cpuinfo).startswith("GPU beside Some, ")
