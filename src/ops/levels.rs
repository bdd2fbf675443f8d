//! A map for each pyramid level, as an extension operation takes them: Burn carries tensors across
//! its dispatch in structs with named fields, not in arrays.

use burn::backend::{Backend, Dispatch, ExtensionType, tensor::FloatTensor};
use burn::tensor::Tensor;

macro_rules! levels {
    ($name:ident, $count:literal, [$($field:ident),+]) => {
        #[doc = concat!("The maps `[1, C, H, W]` of ", $count, " levels, finest first.")]
        #[derive(ExtensionType)]
        pub struct $name<B: Backend> {
            $(
                #[allow(missing_docs)]
                pub $field: FloatTensor<B>,
            )+
        }

        impl<B: Backend> $name<B> {
            /// From the maps, finest first.
            pub fn from_array([$($field),+]: [FloatTensor<B>; $count]) -> Self {
                Self { $($field),+ }
            }

            /// The maps, finest first.
            pub fn into_array(self) -> [FloatTensor<B>; $count] {
                [$(self.$field),+]
            }
        }

        impl From<[Tensor<4>; $count]> for $name<Dispatch> {
            fn from([$($field),+]: [Tensor<4>; $count]) -> Self {
                Self { $($field: $field.into_dispatch()),+ }
            }
        }
    };
}

levels!(Levels3, 3, [p3, p4, p5]);
levels!(Levels4, 4, [p2, p3, p4, p5]);
levels!(Levels5, 5, [p2, p3, p4, p5, p6]);
