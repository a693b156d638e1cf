//! Option positions as Python has them, to be swept.

use std::sync::Mutex;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyInt, PyList, PyString, PyType};

use crate::payoff::{HEAVIEST, Leg, MOST, Requirement, nanos, requirement, spelled};

static DECIMAL: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// Positions that were read before, at the place that their address gives them. A position never changes, and as it is
/// held here, no other can come to stand at its address. What is held stays held, order after order.
struct Read([Option<(Py<PyAny>, Leg)>; PLACES]);
const PLACES: usize = 1024;

static READ: Mutex<Read> = Mutex::new(Read([const { None }; PLACES]));

/// The requirement of one expiration's positions, a Decimal; infinite where the risk is unlimited. `kind` is the class
/// of all positions, `call` the right that calls have. None when anything is unusual, and the reference must reckon.
#[pyfunction]
pub fn payoff_requirement<'py>(
    positions: &Bound<'py, PyList>,
    kind: &Bound<'py, PyType>,
    call: &Bound<'py, PyAny>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let decimal = DECIMAL.import(positions.py(), "decimal", "Decimal")?;
    let Some(mut legs) = legs(positions, kind, call, decimal)? else { return Ok(None) };
    match requirement(&mut legs) {
        Requirement::Dollars(nanos) if nanos % 1_000_000_000 == 0 => decimal.call1((nanos / 1_000_000_000,)),
        Requirement::Dollars(nanos) => decimal.call1((spelled(nanos),)),
        Requirement::Unlimited => decimal.call1(("Infinity",)),
    }
    .map(Some)
}

fn legs(
    positions: &Bound<'_, PyList>,
    kind: &Bound<'_, PyType>,
    call: &Bound<'_, PyAny>,
    decimal: &Bound<'_, PyType>,
) -> PyResult<Option<Vec<Leg>>> {
    // Whoever waited for this lock with Python's own in hand might wait for ever, so nobody waits.
    let Some(mut read) = READ.try_lock().ok().filter(|_| positions.len() <= MOST) else { return Ok(None) };
    let mut legs = Vec::with_capacity(positions.len());
    for position in positions {
        let place = &mut read.0[(position.as_ptr() as usize >> 4) % PLACES];
        if let Some((known, leg)) = place
            && position.is(&*known)
        {
            legs.push(*leg);
        } else if position.is_exact_instance(kind)
            && let Some(leg) = leg(&position, call, decimal)?
        {
            *place = Some((position.unbind(), leg));
            legs.push(leg);
        } else {
            return Ok(None);
        }
    }
    Ok(Some(legs))
}

fn leg<'py>(
    position: &Bound<'py, PyAny>,
    call: &Bound<'py, PyAny>,
    decimal: &Bound<'py, PyType>,
) -> PyResult<Option<Leg>> {
    let py = position.py();
    let strike = position.getattr(intern!(py, "strike"))?;
    if !strike.is_exact_instance(decimal) {
        return Ok(None);
    }
    let whole = |name: &Bound<'py, PyString>| -> PyResult<Option<i64>> {
        Ok(position.getattr(name)?.cast_exact::<PyInt>().ok().and_then(|number| number.extract().ok()))
    };
    let weight = match (whole(intern!(py, "quantity"))?, whole(intern!(py, "multiplier"))?) {
        (Some(quantity), Some(multiplier)) => quantity.checked_mul(multiplier),
        _ => None,
    };
    let (Some(strike), Some(weight)) = (nanos(strike.str()?.to_str()?.as_bytes()), weight) else { return Ok(None) };
    if weight.unsigned_abs() > HEAVIEST as u64 {
        return Ok(None);
    }
    Ok(Some(Leg { strike, weight, call: position.getattr(intern!(py, "right"))?.is(call) }))
}
