//! R41: numbers are read back unchanged.

use busway_journal::{Line, Mode};
use busway_macros::Event;
use serde::{Deserialize, Serialize};

use crate::disk::Disk;
use crate::events::{Outcome, bus, on, soon};

#[derive(Clone, Debug, PartialEq, Event, Serialize, Deserialize)]
#[event(json, crate = "busway_core")]
struct Numbers {
    floats: Vec<f64>,
    large: u128,
    small: i128,
    text: String,
}

#[derive(Debug, PartialEq, Event, Serialize, Deserialize)]
#[event(json, crate = "busway_core")]
struct Large(u128);

#[tokio::test]
async fn r41_numbers_come_back_as_they_were() -> Outcome {
    let mut random = 88_172_645_463_325_252_u64;
    let floats = std::iter::repeat_with(|| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        f64::from_bits(random)
    });
    let floats = floats.filter(|float| float.is_finite()).take(5_000).collect();
    let text = "18446744073709551616".into();
    let numbers = Numbers { floats, large: u128::MAX, small: i128::MIN, text };
    for mode in [Mode::Completed, Mode::WriteAhead] {
        let disk = Disk::default();
        let journal = on(&disk, mode).open()?;
        let bus = bus(&journal);
        soon(bus.dispatch(numbers.clone())?.durable()).await?;
        soon(bus.dispatch(Large(u128::MAX))?.durable()).await?;
        let lines = disk.lines();
        let lines: Vec<_> = lines.iter().map(|line| Line::parse(line.as_bytes())).collect();
        for line in lines {
            let line = line?;
            match line.event_type.as_str() {
                "Large" => assert_eq!(line.decode::<Large>()?, Large(u128::MAX)),
                _ => {
                    let decoded: Numbers = line.decode()?;
                    let same = numbers.floats.iter().zip(&decoded.floats);
                    assert!(same.into_iter().all(|(a, b)| a.to_bits() == b.to_bits()));
                    assert_eq!(decoded, numbers);
                }
            }
        }
    }
    // Numbers of fewer bits are read by way of `fields`.
    let floats = Numbers { large: 1, small: -1, text: String::new(), ..numbers };
    let disk = Disk::default();
    let journal = on(&disk, Mode::Completed).open()?;
    soon(bus(&journal).dispatch(floats.clone())?.durable()).await?;
    assert_eq!(Line::parse(disk.lines()[0].as_bytes())?.decode::<Numbers>()?, floats);
    Ok(())
}
