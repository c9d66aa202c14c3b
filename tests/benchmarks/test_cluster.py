from benchmarks.cluster import cluster_speed


def test_one_worker_and_two_make_the_same_data_set_as_none() -> None:
    table = cluster_speed("tiny", short_videos=2, short_minutes=0.02, long_minutes=0.03)
    lines = table.splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["no", "1", "2"]
    assert {line.split()[-4] for line in lines[1:4]} == {str(30 + 31 + 45)}
    assert lines[2].split()[-1] == "1.00"
