"""`lab compare PROTOCOL`: a whole comparison by one command, from equal studies to a report.

    lab compare comparison                    # the protocol conf/protocol/comparison.yaml
    lab compare my/protocol.yaml --out reports/mine

Each side is tuned on the validation rows of each data set with as many trials; its best setting is then trained with
fresh seeds, the same for all sides, and the test rows are opened once. Everything is an ordinary run in the folder:

    comparison.json   the protocol, every study with its trials, and which run is whose
    trials/           the runs of the studies; runs/: those that are compared; sizes/: those on fewer rows
    index.html ...    the report, which `lab report FOLDER/runs --out FOLDER` draws anew

Stopped or killed, the same command goes on where it was.
"""
