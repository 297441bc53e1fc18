from vclr_pl.runner.group_override import without_null_groups


def test_a_group_is_deleted_and_a_value_stays():
    command = ["-m", "logger=null", "page=None", "weight=", "resume=null", "logger=wandb", "evaluation_view.frames=null", "data=folder"]
    assert without_null_groups(command) == [
        "-m",
        "~logger",
        "~page",
        "~weight",
        "resume=null",
        "logger=wandb",
        "evaluation_view.frames=null",
        "data=folder",
    ]
