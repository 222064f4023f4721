"""From raw, published recordings to tables and figures: `snakemake --cores all`."""

from snakemake.utils import min_version

min_version("9.14")


configfile: "config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/inputs/common.smk"
include: "workflow/inputs/data.smk"
include: "workflow/inputs/train.smk"
include: "workflow/inputs/score.smk"
include: "workflow/inputs/study.smk"
include: "workflow/inputs/estimate.smk"
include: "workflow/inputs/explain.smk"
include: "workflow/inputs/render.smk"
include: "workflow/inputs/describe.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/delineate.smk"
include: "workflow/rules/describe.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/score.smk"
include: "workflow/rules/explain.smk"
include: "workflow/rules/render.smk"


rule all:
    default_target: True
    input:
        cards_of_study,
        attributions_of_study,
        expand(
            "results/{study}/{collected}.csv",
            study=STUDY.study,
            collected=["scores", "comparisons", "datasets"],
        ),
        expand(
            "results/{study}/tables/{table}.csv", study=STUDY.study, table=STUDY.tables
        ),
        expand(
            "results/{study}/figures/{figure}.pdf",
            study=STUDY.study,
            figure=STUDY.figures,
        ),


onsuccess:
    logger.info(f"Tables and figures of this study: results/{STUDY.study}/")
