"""Tests of HubSpot's simulator."""
