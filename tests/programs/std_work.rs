//! Rust's collections, files, clocks and random hash keys, with results that do not depend on the machine.
//! Argument 1 is a text file.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant, SystemTime};

fn main() {
    let mut seed = 12345u64;
    let mut next = || {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        seed >> 33
    };
    let mut map: HashMap<u64, String> = HashMap::new();
    let mut tree = BTreeMap::new();
    for _ in 0..50_000 {
        let key = next() % 20_000;
        map.entry(key).or_default().push('x');
        *tree.entry(key).or_insert(0u32) += 1;
        if next() % 3 == 0 {
            let gone = next() % 20_000;
            map.remove(&gone);
            tree.remove(&gone);
        }
    }
    let agree = map.len() == tree.len() && tree.iter().all(|(key, n)| map[key].len() == *n as usize);
    println!("map and tree agree: {agree}, {} keys", tree.len());
    let mut big: Vec<u64> = (0..1_000_000).map(|_| next()).collect();
    big.sort_unstable();
    println!("sorted: {}, sum {}", big.windows(2).all(|pair| pair[0] <= pair[1]), big.iter().sum::<u64>());
    let distinct: HashSet<u64> = big.iter().copied().collect();
    println!("distinct {}", distinct.len());
    drop(big);

    let path = std::env::args().nth(1).expect("a file");
    let text = std::fs::read_to_string(&path).expect("readable");
    println!("{} lines, {} bytes, first {:?}", text.lines().count(), text.len(), text.lines().next());
    println!("{:?}", std::fs::read("/no/such/file").map_err(|error| error.kind()));
    println!(
        "{:?}",
        std::fs::metadata(&path).map(|meta| (meta.len(), meta.is_file())).map_err(|error| error.kind())
    );
    println!("{:?}", std::fs::canonicalize(&path).map_err(|error| error.kind()).is_ok());
    println!("{:?}", std::env::current_dir().map_err(|error| error.kind()));

    let start = Instant::now();
    std::thread::sleep(Duration::from_millis(20));
    println!("slept {}", start.elapsed() >= Duration::from_millis(20));
    println!(
        "after 2023 {}",
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() > 1_700_000_000
    );
    println!("processors {}", std::thread::available_parallelism().is_ok());
}
