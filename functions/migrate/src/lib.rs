//! Applies the migrations: a CloudFormation custom resource and a command.
