"""Tests of the converter: everything in them is made up."""
