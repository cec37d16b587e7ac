"""DataDesigner: a column that says of each row whether its instruction is new. A preview fills the index, too."""

import data_designer.config as dd

import selfinstruct as si

index = si.NoveltyIndex(threshold=0.7)


@dd.custom_column_generator(required_columns=["instruction"], side_effect_columns=["nearest"])
def novelty(df):
    verdicts = index.admit(df["instruction"])
    return df.assign(is_new=[each.accepted for each in verdicts], nearest=[each.nearest for each in verdicts])


column = dd.CustomColumnConfig(name="is_new", generator_function=novelty, generation_strategy="full_column")
