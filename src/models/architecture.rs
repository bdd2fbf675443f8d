//! The architectures by name.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::{Classes, FILES, Rules, Selection, Specification, Stage};
use crate::ops::anchors::AnchorLayout;
use crate::transform::Transform;

/// A model that can be built: its [`Specification`], told from others by its name.
#[derive(Clone, Copy)]
pub struct Architecture(pub(crate) &'static Specification);

/// A name that is no architecture's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown model '{0}': expected one of {known}", known = Architecture::names().join(", "))]
pub struct UnknownArchitecture(String);

impl Architecture {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        FILES.iter().copied().flatten().copied()
    }

    /// All names, in the order of [`all`](Self::all).
    pub fn names() -> Vec<&'static str> {
        Self::all().map(Self::name).collect()
    }

    /// All that it takes for granted.
    pub const fn specification(self) -> &'static Specification {
        self.0
    }

    /// The name that `--model` takes.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// How its pictures are prepared.
    pub fn transform(self) -> Transform {
        self.0.transform
    }

    /// Which boxes it keeps unless told otherwise; none where it finds no boxes.
    pub fn selection(self) -> Option<Selection> {
        self.0.selection
    }

    /// Numbers of the pyramid's levels, finest first: 2 for P2, at stride 4 in all but EFPN.
    pub fn levels(self) -> RangeInclusive<usize> {
        self.0.levels.clone()
    }

    /// Number of the finest level: 2 for P2.
    pub fn first_level(self) -> usize {
        *self.0.levels.start()
    }

    /// Where its boxes start from.
    ///
    /// # Panics
    /// If it finds no boxes.
    pub fn anchors(self) -> AnchorLayout {
        let anchors = self.0.anchors;
        anchors.unwrap_or_else(|| panic!("{self} finds no boxes"))
    }

    /// Most proposals that can be asked for: there are no more, since each level gives its best anchors. 0
    /// where it makes none.
    pub fn most_proposals(self) -> usize {
        let levels = self.0.anchors.map_or(0, |anchors| anchors.sizes.len());
        levels * self.0.proposals_per_level
    }

    /// Whether it looks at proposals again.
    pub fn is_two_stage(self) -> bool {
        self.0.rules.is_some()
    }

    /// Whose arithmetic of boxes it follows.
    ///
    /// # Panics
    /// If it makes no proposals.
    pub fn rules(self) -> Rules {
        let rules = self.0.rules;
        rules.unwrap_or_else(|| panic!("{self} makes no proposals"))
    }

    /// What the paths of its bottom-up network's parameters begin with.
    pub fn backbone(self) -> &'static str {
        let mut stages = self.0.stages.iter();
        let backbone = stages.find(|(_, stage)| *stage == Stage::Backbone);
        backbone.map_or("", |(part, _)| part)
    }

    /// The stage that a parameter belongs to, by its path in the module.
    ///
    /// # Panics
    /// If the module has no such part.
    pub fn stage(self, parameter: &str) -> Stage {
        let mut stages = self.0.stages.iter();
        let part = stages.find(|(part, _)| parameter.starts_with(part));
        part.unwrap_or_else(|| panic!("{self} has no part with a parameter {parameter}"))
            .1
    }

    /// The checkpoint key of the parameter at `path` in the module.
    pub fn key(self, path: &str) -> String {
        (self.0.key)(path)
    }

    /// Classes where nothing says otherwise, background included.
    pub const fn default_classes(self) -> usize {
        match self.0.classes {
            Classes::Fixed(names) => names.len(),
            Classes::Counted { usual, .. } => usual,
        }
    }

    /// Names of the labels of that many classes where nothing says otherwise, the background's first; "N/A"
    /// for labels that no class has.
    pub fn default_names(self, classes: usize) -> Vec<String> {
        match self.0.classes {
            Classes::Fixed(names) => names.iter().map(|&name| name.to_owned()).collect(),
            Classes::Counted { usual, names, .. } if usual == classes && !names.is_empty() => {
                names.iter().map(|&name| name.to_owned()).collect()
            }
            _ => {
                let others = (1..classes).map(|label| format!("class {label}"));
                ["background".to_owned()]
                    .into_iter()
                    .chain(others)
                    .collect()
            }
        }
    }
}

impl PartialEq for Architecture {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Architecture {}

impl Hash for Architecture {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl PartialOrd for Architecture {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Architecture {
    fn cmp(&self, other: &Self) -> Ordering {
        self.name().cmp(other.name())
    }
}

impl fmt::Debug for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Architecture").field(&self.name()).finish()
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Architecture {
    type Err = UnknownArchitecture;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::all()
            .find(|architecture| architecture.name() == name)
            .ok_or_else(|| UnknownArchitecture(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use burn::tensor::Device;

    use super::*;
    use crate::models::{Model, ModelConfig, parameters};

    #[test]
    fn a_name_is_that_of_one() {
        let names: BTreeSet<&str> = Architecture::all().map(Architecture::name).collect();
        assert_eq!(names.len(), Architecture::all().count());
        for architecture in Architecture::all() {
            assert_eq!(architecture.name().parse(), Ok(architecture));
        }
    }

    #[test]
    fn what_finds_boxes_has_anchors_at_every_level() {
        for architecture in Architecture::all() {
            let Specification {
                anchors, selection, ..
            } = architecture.specification();
            assert_eq!(anchors.is_some(), selection.is_some(), "{architecture}");
            if let Some(anchors) = anchors {
                let levels = architecture.levels().count();
                // EFPN's coarsest level feeds no head.
                let without = usize::from(!architecture.specification().ftts.is_empty());
                assert_eq!(anchors.sizes.len() + without, levels, "{architecture}");
            }
            let makes_proposals = architecture.most_proposals() > 0;
            assert_eq!(
                makes_proposals,
                architecture.is_two_stage(),
                "{architecture}"
            );
        }
    }

    #[test]
    fn every_parameter_has_a_stage_and_a_key_of_its_own() {
        for architecture in Architecture::all() {
            let Specification {
                layout, classes, ..
            } = architecture.specification();
            let mut keys = BTreeSet::new();
            let model = Model::new(&ModelConfig::of(architecture), &Device::flex());
            parameters::for_each(&model, |parameter| {
                architecture.stage(&parameter.path);
                let key = architecture.key(&parameter.path);
                assert_eq!(layout(&key), key, "{architecture}");
                assert!(keys.insert(key), "{architecture}: {}", parameter.path);
            });
            if let Classes::Counted { tensor, .. } = classes {
                assert!(keys.contains(*tensor), "{architecture}");
            }
        }
    }
}
