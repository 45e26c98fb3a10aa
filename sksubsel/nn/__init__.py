"""The equations of SubSelNet as torch modules; they know arrays and graphs, no estimators."""
