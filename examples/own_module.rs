//! A module of your own on this machine's best adapter.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::{Device, Tensor, activation::softmax};
use fpn_wgpu::gpu::{Gpu, adapters};
use fpn_wgpu::{Checkpoint, HostTensor, Network};

#[derive(Module, Debug)]
struct Classifier {
    conv: Conv2d,
}

impl Classifier {
    fn new(device: &Device) -> Self {
        let conv = Conv2dConfig::new([3, 10], [5, 5]).with_stride([2, 2]);
        let conv = conv.init(device);
        Self { conv }
    }

    fn forward(&self, image: Tensor<4>) -> Tensor<2> {
        let pixels: Tensor<3> = self.conv.forward(image).flatten(2, 3);
        softmax(pixels.mean_dim(2).squeeze_dim(2), 1)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let adapter = pollster::block_on(adapters::best())?;
    let gpu = pollster::block_on(Gpu::open(&adapter))?;
    // Or a file of PyTorch's: Checkpoint::open("classifier.pth".as_ref())?
    let parameters = Checkpoint::of(&Classifier::new(&Device::flex()));
    let network = Network::new(
        gpu,
        Classifier::new,
        |module: &Classifier, io| {
            let image = io.input("image")?;
            io.output("shares", module.forward(image))
        },
        parameters,
    )?;
    let shape = vec![1, 3, 64, 96];
    let values = vec![0.5; shape.iter().product()];
    let image = HostTensor { shape, values };
    for (name, tensor) in network.run(&[("image", &image)])? {
        println!("{name} {:?}: {:.3?}", tensor.shape, tensor.values);
    }
    Ok(())
}
