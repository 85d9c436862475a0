"""Tests of the hubspot connector."""
