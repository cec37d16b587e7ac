"""Filters of your own: True for what is to be dropped, under the function's name."""


def two_lanterns(instruction):
    return instruction.count("lantern") > 1


def begins_with_amber(instruction, input, output):
    return output.startswith("amber")
