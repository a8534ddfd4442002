"""Packages, templates and stacks of CloudFormation, for the local stack and for deployments to AWS."""
