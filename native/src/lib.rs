//! Puna's native kernels. The readable Python is the specification; here is the same thing, fast.

pub mod batch;
pub mod dispatch;
pub mod history;
pub mod json;
pub mod message;
pub mod msgpack;
pub mod panel;
pub mod payoff;
pub mod recurrence;
pub mod times;
pub mod updates;

#[cfg(feature = "python")]
mod bars;
#[cfg(feature = "python")]
mod buffers;
#[cfg(feature = "python")]
mod bus;
#[cfg(feature = "python")]
mod features;
#[cfg(feature = "python")]
mod frames;
#[cfg(feature = "python")]
mod pages;
#[cfg(feature = "python")]
mod positions;

#[cfg(feature = "python")]
#[pyo3::pymodule]
mod puna_native {
    #[pymodule_export]
    use crate::bars::make_bars;
    #[pymodule_export]
    use crate::bus::{NativeBarUpdate, NativeQuoteUpdate, NativeTradeUpdate, read_run, use_bus_reference};
    #[pymodule_export]
    use crate::features::{CrossSectionKernel, FeatureKernel, feature_batch, feature_panel};

    #[pymodule_export]
    use crate::frames::{NativeBar, NativeQuote, NativeTrade, read_frame, read_packed_frame, use_reference};
    #[pymodule_export]
    use crate::pages::read_bars_columns;
    #[pymodule_export]
    use crate::positions::payoff_requirement;

    /// Goes up when a name or a signature that is there changes; the door takes no other. What is new is None to it.
    #[pymodule_export]
    const INTERFACE: u32 = 1;
}
