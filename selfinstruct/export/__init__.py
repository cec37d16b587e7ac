"""A run as a dataset that other tools open: a folder in the layout of the Hugging Face hub.

    provenance  which models and prompts stand behind a round, under which licences
    rows        a round's tables joined into rows that say where they come from
    sieve       rows without those that are near to evaluation sets
    shuffle     all rows in a keyed random order, without holding them
    forms       the rows as each tool expects them
    shards      files of a good size
    contents    what a card tells of
    front       the card's front matter: configs, features and counts
    card        the rest of README.md, and the settings of other tools
    folder      all of it at once, or nothing
    hub         upload

Memory holds a round or a bucket of rows at a time, however large the run.
"""
