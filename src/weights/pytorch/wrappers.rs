//! What training scripts put around a state dict.

/// Under which keys the state dict lies beside other things; an average of the weights over the last steps, which is
/// the one to use, before the weights themselves.
const WRAPPERS: [&str; 3] = ["avg_model.", MODEL, STATE_DICT];
const MODEL: &str = "model.";
const STATE_DICT: &str = "state_dict.";

/// What the keys of the state dict begin with, among all tensors of a file.
pub(super) fn prefix<'a>(keys: impl Iterator<Item = &'a str> + Clone) -> String {
    let mut prefix = String::new();
    loop {
        let wrapped = |wrapper: &&str| {
            let inner = |key: &str| key.strip_prefix(&prefix)?.strip_prefix(*wrapper).map(drop);
            keys.clone().any(|key| inner(key).is_some())
        };
        let Some(wrapper) = WRAPPERS.into_iter().find(wrapped) else {
            return prefix;
        };
        prefix.push_str(wrapper);
        // Lightning's state dict is its module's, whose model is the detector.
        if wrapper != STATE_DICT {
            return prefix;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_dict_is_found_in_what_is_around_it() {
        let found = |keys: &[&str]| prefix(keys.iter().copied());
        assert_eq!(found(&["fc.bias", "fc.model.bias"]), "");
        assert_eq!(found(&["optimizer.0", "model.fc.bias"]), "model.");
        assert_eq!(found(&["state_dict.fc.bias", "epoch.0"]), "state_dict.");
        let lightning = [
            "optimizer.0",
            "state_dict.model.fc.bias",
            "state_dict.avg_model.fc.bias",
        ];
        assert_eq!(found(&lightning), "state_dict.avg_model.");
        assert_eq!(found(&lightning[..2]), "state_dict.model.");
        assert_eq!(found(&["model.fc.bias", "avg_model.fc.bias"]), "avg_model.");
        // A model's own part of the name.
        assert_eq!(found(&["model.model.fc.bias"]), "model.");
    }
}
