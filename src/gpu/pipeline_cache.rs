//! What a driver has compiled, kept between runs.

use std::hash::{DefaultHasher, Hash, Hasher};

use wgpu::{AdapterInfo, Device, Features, PipelineCache, PipelineCacheDescriptor};

/// A driver's cache of pipelines, and what it held when it was opened.
#[derive(Debug)]
pub(super) struct CachedPipelines {
    pub(super) cache: PipelineCache,
    opened_with: Option<Vec<u8>>,
}

impl CachedPipelines {
    /// A cache filled with those that were [`compiled`](Self::compiled) before; none where the driver
    /// has none.
    pub(super) fn open(device: &Device, info: &AdapterInfo, kept: Option<&[u8]>) -> Option<Self> {
        if !device.features().contains(Features::PIPELINE_CACHE) {
            return None;
        }
        // SAFETY: The bytes are a cache's own, of this adapter and driver, and unchanged: drivers need
        // not check more than whose they are, and wgpu does not.
        let cache = unsafe {
            device.create_pipeline_cache(&PipelineCacheDescriptor {
                label: None,
                data: kept.and_then(|kept| unsealed(info, kept)),
                fallback: true,
            })
        };
        Some(Self {
            opened_with: cache.get_data(),
            cache,
        })
    }

    /// Everything that the driver has compiled, behind a seal; none where that is nothing new. Software
    /// drivers give an empty cache always, and SwiftShader puts another header before it at each opening.
    pub(super) fn compiled(&self, info: &AdapterInfo) -> Option<Vec<u8>> {
        let data = self.cache.get_data()?;
        (self.opened_with.as_ref() != Some(&data)).then(|| [&seal(info, &data)[..], &data].concat())
    }
}

/// What is behind the seal, if it is whole and of this adapter and driver.
fn unsealed<'a>(info: &AdapterInfo, kept: &'a [u8]) -> Option<&'a [u8]> {
    let (found, data) = kept.split_first_chunk()?;
    (*found == seal(info, data)).then_some(data)
}

/// It may change with the compiler of this crate, and then only costs compiling anew.
fn seal(info: &AdapterInfo, data: &[u8]) -> [u8; 8] {
    let mut hasher = DefaultHasher::new();
    info.hash(&mut hasher);
    data.hash(&mut hasher);
    hasher.finish().to_le_bytes()
}

#[cfg(test)]
mod tests {
    use wgpu::{Backend, DeviceType};

    use super::*;

    #[test]
    fn a_seal_holds_for_the_same_data_of_the_same_driver() {
        let info = AdapterInfo::new(DeviceType::Cpu, Backend::Vulkan);
        let data = b"pipelines";
        let kept = [&seal(&info, data)[..], data].concat();
        assert_eq!(unsealed(&info, &kept), Some(&data[..]));
        let updated = AdapterInfo {
            driver_info: "2".to_owned(),
            ..info.clone()
        };
        assert_eq!(unsealed(&updated, &kept), None);
        assert_eq!(unsealed(&info, &kept[..kept.len() - 1]), None);
        assert_eq!(unsealed(&info, &kept[..4]), None);
    }
}
