"""Tests of the salesforce connector."""
