//! A module's parameters by name: listed, and filled.

use burn::backend::DispatchTensor;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};

/// One parameter of a module.
pub struct Parameter<'a> {
    /// Fields on the way to it, joined by dots, in PyTorch's terms: a batch norm's are `weight`,
    /// `bias`, `running_mean` and `running_var`.
    pub path: String,
    /// In PyTorch's layout: a linear layer's weight is `[out, in]`.
    pub shape: Vec<usize>,
    /// Whether Burn's own layout is the other way round: that of a linear layer's weight.
    pub is_transposed: bool,
    tensor: &'a dyn Fn() -> DispatchTensor,
    values: &'a dyn Fn() -> Vec<f32>,
}

impl Parameter<'_> {
    /// The tensor itself, initialized now if it was not before; a linear layer's weight is
    /// `[in, out]`.
    pub fn tensor(&self) -> DispatchTensor {
        (self.tensor)()
    }

    /// Its values, row-major in PyTorch's layout.
    pub fn values(&self) -> Vec<f32> {
        (self.values)()
    }
}

/// Call `visit` for every parameter of `module`, in a fixed order. Nothing is initialized.
pub fn for_each(module: &impl Module, visit: impl FnMut(Parameter<'_>)) {
    module.visit(&mut Visitor {
        place: Place::default(),
        visit,
    });
}

/// What is made of each parameter of a module; see [`map`].
pub trait Mapping {
    /// The parameter at `place`, replaced.
    fn map<const D: usize>(&mut self, place: &Place, param: Param<Tensor<D>>) -> Param<Tensor<D>>;
}

/// The module with every parameter replaced, in a fixed order.
pub fn map<M: Module>(module: M, mapping: &mut impl Mapping) -> M {
    module.map(&mut Mapper {
        place: Place::default(),
        mapping,
    })
}

/// The module with every parameter replaced by what `read` returns for its path and shape:
/// row-major values in PyTorch's layout.
///
/// # Errors
/// The first error of `read`; the module is lost.
pub fn fill<M: Module, E>(
    module: M,
    read: impl FnMut(&str, &[usize]) -> Result<Vec<f32>, E>,
) -> Result<M, E> {
    let mut filler = Filler { read, error: None };
    let module = map(module, &mut filler);
    match filler.error {
        Some(error) => Err(error),
        None => Ok(module),
    }
}

/// Where in a module a walk is.
#[derive(Default)]
pub struct Place {
    /// Name and container type of each module entered.
    stack: Vec<(String, String)>,
}

impl Place {
    fn enter(&mut self, name: &str, container: &str) {
        self.stack.push((name.to_owned(), container.to_owned()));
    }

    fn exit(&mut self) {
        self.stack.pop();
    }

    /// As [`Parameter::path`].
    pub fn path(&self) -> String {
        let names: Vec<&str> = self
            .stack
            .iter()
            // A variant of an enum is no field.
            .filter(|(_, container)| !container.starts_with("Enum:"))
            .map(
                |(name, container)| match (name.as_str(), container.ends_with("Norm")) {
                    ("gamma", true) => "weight",
                    ("beta", true) => "bias",
                    (name, _) => name,
                },
            )
            .collect();
        names.join(".")
    }

    /// Burn keeps a linear layer's weight as `[in, out]`, PyTorch as `[out, in]`.
    fn is_transposed(&self) -> bool {
        matches!(self.stack.last(), Some((name, container)) if name == "weight" && container == "Struct:Linear")
    }

    /// The shape in PyTorch's layout.
    fn shape<const D: usize>(&self, param: &Param<Tensor<D>>) -> Vec<usize> {
        let mut shape = param.lazy_shape().to_vec();
        if self.is_transposed() {
            shape.reverse();
        }
        shape
    }
}

struct Visitor<F> {
    place: Place,
    visit: F,
}

impl<F: FnMut(Parameter<'_>)> ModuleVisitor for Visitor<F> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.place.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.place.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        (self.visit)(Parameter {
            path: self.place.path(),
            shape: self.place.shape(param),
            is_transposed: self.place.is_transposed(),
            tensor: &|| param.val().into_dispatch(),
            values: &|| {
                let tensor = match self.place.is_transposed() {
                    true => param.val().transpose(),
                    false => param.val(),
                };
                tensor.into_data().try_to_vec().expect("weights are f32")
            },
        });
    }
}

struct Mapper<'a, M> {
    place: Place,
    mapping: &'a mut M,
}

impl<M: Mapping> ModuleMapper for Mapper<'_, M> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.place.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.place.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.mapping.map(&self.place, param)
    }
}

struct Filler<F, E> {
    read: F,
    error: Option<E>,
}

impl<E, F: FnMut(&str, &[usize]) -> Result<Vec<f32>, E>> Mapping for Filler<F, E> {
    fn map<const D: usize>(&mut self, place: &Place, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if self.error.is_some() {
            return param;
        }
        let shape = place.shape(&param);
        match (self.read)(&place.path(), &shape) {
            Err(error) => {
                self.error = Some(error);
                param
            }
            Ok(values) => {
                let device = param.lazy_device();
                let tensor = Tensor::from_data(TensorData::new(values, shape), &device);
                let tensor = match place.is_transposed() {
                    true => tensor.transpose(),
                    false => tensor,
                };
                Param::initialized(param.id, tensor)
            }
        }
    }
}
