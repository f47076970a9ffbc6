"""What the curves of a run show, in words: signs that it goes well, and signs that it does not.

    diagnosis = Diagnosis(Setting.of(config, steps_per_epoch))
    for finding in diagnosis.extend(run_dir.read_metrics(workdir)):
        print(finding.epoch, finding.name, finding.sentence)

Pure arithmetic on rows of `metrics.jsonl`: `curves` makes curves of them, `signs` and
`negative_transfer` read them, `examples` has a curve for each sign, which its test and its picture
in docs/signs.md are made of.
"""
