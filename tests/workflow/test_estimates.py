"""When the estimates of transfer are made."""


def test_the_table_of_transferability_asks_for_one_estimate_of_the_study(workflow):
    workflow.study(tables=["main", "transferability"])
    assert workflow.plan() == {"estimate": 1, "table": 1}
    told = workflow.snakemake("-n", "-p", "results/tiny/estimates.csv")
    assert '"preparations":{"synthetic-supervised":"100hz-10s"}' in told
    assert "synthetic-supervised/standard/0/checkpoint" in told
    assert "synthetic-random/standard/0/checkpoint" not in told
