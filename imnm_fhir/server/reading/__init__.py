"""The ways of reading many resources: by search, patient by patient, in bulk; counted, checked, kept on disk."""
