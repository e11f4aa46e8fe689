//! Fuzz target: any bytes as payload, archive, command line and channel. `cargo +nightly fuzz run image`, from `images/`.
//! The body also runs on fixed random inputs in the tests of `image_format`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    image_format::fuzzing::image(data);
});
