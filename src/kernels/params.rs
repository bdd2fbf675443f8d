//! Parameters of kernels: one struct each, laid out as the WGSL has it.

/// A field of a parameter struct: its name, first byte and bytes.
pub type Field = (&'static str, usize, usize);

/// A parameter struct that is `Pod`, with its fields' layout for the comparison with the WGSL's.
macro_rules! params {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $($(#[$field_meta:meta])* $field:ident: $ty:ty,)+
        }
    ) => {
        $(#[$meta])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Default, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $ty,)+
        }

        impl $name {
            /// Name, first byte and bytes of each field.
            pub const FIELDS: &'static [$crate::kernels::params::Field] = &[
                $((
                    stringify!($field),
                    std::mem::offset_of!($name, $field),
                    std::mem::size_of::<$ty>(),
                ),)+
            ];
        }
    };
}
pub(crate) use params;
