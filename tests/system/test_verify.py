"""`tape verify` over everything that the other tests of this session left behind."""


def test_every_invariant_holds_after_the_whole_session(system):
    report = system.verify()
    assert report.returncode == 0, report.stdout + report.stderr
    assert "nothing wrong" in report.stdout
