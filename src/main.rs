use fpn_wgpu::*;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let t = std::time::Instant::now();
    let arch: models::Architecture = a[1].parse().unwrap();
    let ck = if a[2] == "seed" {
        weights::seeded(
            &models::ModelConfig {
                architecture: arch,
                classes: 91,
                bn_eps: 1e-5,
            },
            1,
        )
    } else {
        weights::Checkpoint::open(a[2].as_ref()).unwrap()
    };
    let d = Detector::builder(ck).architecture(arch).build().unwrap();
    println!("load {:?}", t.elapsed());
    let p = image::open(&a[3]).unwrap();
    for _ in 0..3 {
        let t = std::time::Instant::now();
        let r = d.detect(&p).unwrap();
        println!("{:?} {} {:?}", t.elapsed(), r.items.len(), r.items.first());
    }
}
