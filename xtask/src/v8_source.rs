//! Builds V8's static library from the sources that the crate `v8` carries.
//!
//! Needs crates.io and Debian 12's packages, nothing else. What the crate lacks
//! (ICU's data, the vendored sources of `temporal_capi`) comes from other crates;
//! what Debian's `gn` and clang do not know is taken out of the build files.
//! Every step leaves a stamp, so that an interrupted build goes on where it was;
//! `ninja` does the same for the objects.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};

use crate::{cargo_home, debian, locked_version, root, say, v8};

const PACKAGES: [&str; 9] = [
    "clang-22",
    "lld-22",
    "libclang-rt-22-dev",
    "llvm-22",
    "generate-ninja",
    "ninja-build",
    "python3",
    "pkg-config",
    "libglib2.0-dev",
];

const LLVM: &str = "/usr/lib/llvm-22";

/// The crate whose ICU data goes with this V8.
const ICU_CRATE: &str = "deno_core_icudata";

/// Builds the library and puts it in place; with `objects`, stops after about as many.
pub(crate) fn build(objects: Option<usize>) -> anyhow::Result<()> {
    ensure!(std::env::consts::OS == "linux", "building V8 from source is supported on Debian 12 and later");
    let work = root().join("target/v8-source");
    fs::create_dir_all(&work).with_context(|| format!("cannot create {}", work.display()))?;
    say("V8 from source: about 2230 objects, 80 to 100 minutes on 2 cores, 6 GB of disk.");
    say("It may be interrupted; the same command goes on where it was.");
    step(&work, "packages", "installing Debian's packages", |_| {
        debian::need(&PACKAGES, "to build V8 from its sources")
    })?;
    step(&work, "sources", "copying the sources of the crate", copy_sources)?;
    step(&work, "icu", "adding ICU's data", add_icu)?;
    step(&work, "temporal", "building temporal_capi", add_temporal)?;
    step(&work, "patches", "adapting the build files to Debian's gn and clang", adapt)?;
    step(&work, "generated", "generating the build (gn)", generate)?;
    say("  compiling (ninja)");
    compile(&work, objects)?;
    if objects.is_some() {
        say("The first objects compiled: the way from the sources works.");
        return Ok(());
    }
    let library = work.join("v8/out/obj/librusty_v8.a");
    run(Command::new(format!("{LLVM}/bin/llvm-strip")).arg("--strip-debug").arg(&library))?;
    v8::install(&library)
}

/// Runs a step unless its stamp is there.
fn step(
    work: &Path,
    name: &str,
    what: &str,
    run: impl FnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let stamp = work.join(format!("{name}.done"));
    if stamp.exists() {
        say(&format!("  {what}: done before"));
        return Ok(());
    }
    say(&format!("  {what}"));
    run(work).with_context(|| format!("{what} failed"))?;
    fs::write(&stamp, "").with_context(|| format!("cannot write {}", stamp.display()))
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let status =
        command.status().with_context(|| format!("cannot start {}", command.get_program().display()))?;
    ensure!(status.success(), "{} failed", command.get_program().display());
    Ok(())
}

/// The unpacked sources of a crate of `Cargo.lock`.
fn crate_sources(name: &str) -> anyhow::Result<PathBuf> {
    let folder = format!("{name}-{}", locked_version(name)?);
    let registry = cargo_home()?.join("registry/src");
    let found = fs::read_dir(&registry)
        .with_context(|| format!("cannot read {}: run `cargo fetch` first", registry.display()))?
        .flatten()
        .map(|entry| entry.path().join(&folder))
        .find(|path| path.is_dir());
    if let Some(found) = found {
        return Ok(found);
    }
    crate::cargo(&["fetch", "--locked"])?;
    fs::read_dir(&registry)?
        .flatten()
        .map(|entry| entry.path().join(&folder))
        .find(|path| path.is_dir())
        .with_context(|| format!("{folder} is not in {}", registry.display()))
}

fn copy_sources(work: &Path) -> anyhow::Result<()> {
    let target = work.join("v8");
    let _ = fs::remove_dir_all(&target);
    run(Command::new("cp").arg("-r").arg(crate_sources("v8")?).arg(&target))?;
    // It would ask rustup for a toolchain of its own.
    let _ = fs::remove_file(target.join("rust-toolchain.toml"));
    Ok(())
}

fn add_icu(work: &Path) -> anyhow::Result<()> {
    let data = crate_sources(ICU_CRATE)?.join("src/icudtl.dat");
    let target = work.join("v8/third_party/icu/common/icudtl.dat");
    fs::create_dir_all(target.parent().unwrap_or(work))?;
    fs::copy(&data, &target).with_context(|| format!("cannot copy {}", data.display()))?;
    Ok(())
}

/// `mksnapshot` links `temporal_capi`; in the final program the crate supplies it.
fn add_temporal(work: &Path) -> anyhow::Result<()> {
    let version = locked_version("temporal_capi")?;
    let dir = work.join("temporal");
    fs::create_dir_all(dir.join("src"))?;
    let manifest = format!(
        "[package]\nname = \"temporal_static\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\n[lib]\ncrate-type = [\"staticlib\"]\n\n[dependencies]\ntemporal_capi = {{ version = \"={version}\", features = [\"zoneinfo64\"] }}\n\n[profile.release]\npanic = \"abort\"\n\n[workspace]\n"
    );
    fs::write(dir.join("Cargo.toml"), manifest)?;
    fs::write(dir.join("src/lib.rs"), "pub use temporal_capi::*;\n")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    run(Command::new(cargo).args(["build", "--release", "--target-dir", "target"]).current_dir(&dir))?;
    let library = dir.join("target/release/libtemporal_static.a");
    let target = work.join("v8/third_party/rust/temporal_capi");
    fs::create_dir_all(&target)?;
    let headers = target.join("cpp");
    let _ = fs::remove_dir_all(&headers);
    run(Command::new("cp")
        .arg("-r")
        .arg(crate_sources("temporal_capi")?.join("bindings/cpp"))
        .arg(&headers))?;
    let build = format!(
        "config(\"temporal_capi_config\") {{\n  include_dirs = [ \"cpp\" ]\n  defines = [ \"TEMPORAL_CAPI_VERSION_0_2\" ]\n}}\n\nconfig(\"temporal_capi_link\") {{\n  libs = [ {:?} ]\n}}\n\ngroup(\"temporal_capi\") {{\n  public_configs = [ \":temporal_capi_config\" ]\n  all_dependent_configs = [ \":temporal_capi_link\" ]\n}}\n",
        library.display().to_string()
    );
    fs::write(target.join("BUILD.gn"), build)?;
    Ok(())
}

/// Edits of the build files, each a no-op when repeated.
fn adapt(work: &Path) -> anyhow::Result<()> {
    let tree = work.join("v8");
    let edit = |file: &str, change: &dyn Fn(&str) -> String| -> anyhow::Result<()> {
        let path = tree.join(file);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        fs::write(&path, change(&text)).with_context(|| format!("cannot write {}", path.display()))
    };
    let compiler = "build/config/compiler/BUILD.gn";
    // Flags of a newer clang.
    edit(compiler, &|text| without_lines(text, &["-fdiagnostics-show-inlining-chain", "-fno-lifetime-dse"]))?;
    edit("build/config/sanitizers/sanitizers.gni", &|text| {
        without_lines(text, &["-fsanitize-ignore-for-ubsan-feature="])
    })?;
    // Functions and variables of a newer gn. No siso environment is read.
    edit("build/toolchain/siso.gni", &|text| text.replace(SISO_ENVIRONMENT, "false"))?;
    for file in [
        "build/config/c++/modules.gni",
        compiler,
        "build/config/sysroot.gni",
        "build/toolchain/rbe.gni",
        "build/toolchain/siso.gni",
    ] {
        edit(file, &|text| without_calls(text, "path_exists", "true"))?;
    }
    edit(compiler, &|text| without_assignment(text, "c_additional_outputs"))?;
    edit("build/toolchain/gcc_toolchain.gni", &|text| {
        let text = without_archiver_inputs(text);
        let text = text.replace(" {{module_deps}}", "").replace(" {{module_deps_no_self}}", "");
        without_module_names(&text.replace("{{module_deps}}", "").replace("{{module_deps_no_self}}", ""))
    })
}

const SISO_ENVIRONMENT: &str = "path_exists(\"//build/config/siso/.sisoenv\")";

/// Drops the lines that contain one of these.
fn without_lines(text: &str, needles: &[&str]) -> String {
    let keep = |line: &&str| !needles.iter().any(|needle| line.contains(needle));
    text.lines().filter(keep).collect::<Vec<_>>().join("\n") + "\n"
}

/// Replaces every `name(...)` by `value`.
fn without_calls(text: &str, name: &str, value: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    let call = format!("{name}(");
    while let Some(at) = rest.find(&call) {
        out.push_str(&rest[..at]);
        out.push_str(value);
        let mut depth = 0;
        let end = rest[at..]
            .char_indices()
            .find_map(|(offset, c)| {
                depth += i32::from(c == '(') - i32::from(c == ')');
                (c == ')' && depth == 0).then_some(at + offset + 1)
            })
            .unwrap_or(rest.len());
        rest = &rest[end..];
    }
    out + rest
}

/// Drops the statement that begins with this, up to the bracket that ends it.
fn without_assignment(text: &str, beginning: &str) -> String {
    let mut out = Vec::new();
    let mut depth = 0;
    let mut dropping = false;
    for line in text.lines() {
        if !dropping && line.trim_start().starts_with(beginning) {
            dropping = true;
            depth = 0;
        }
        if dropping {
            depth += line.matches(['[', '(', '{']).count();
            let closed = line.matches([']', ')', '}']).count();
            depth = depth.saturating_sub(closed);
            // A value may begin on the next line.
            dropping = depth > 0 || line.trim_end().ends_with('=');
            continue;
        }
        out.push(line);
    }
    out.join("\n") + "\n"
}

/// Drops the assignment of `inputs` that names the archiver, which goes over two lines.
fn without_archiver_inputs(text: &str) -> String {
    let mut out: Vec<&str> = Vec::new();
    for line in text.lines() {
        if !line.contains("get_path_info(rebase_path(ar") {
            out.push(line);
        } else if out.last().is_some_and(|last| last.trim() == "inputs =") {
            out.pop();
        }
    }
    out.join("\n") + "\n"
}

/// Drops `-fmodule-name=\"{{cc_module_name}}...\"` from commands.
fn without_module_names(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("-fmodule-name=") {
        out.push_str(rest[..at].trim_end_matches(' '));
        let after = &rest[at..];
        // The value stands between escaped quotes.
        let mut quotes = after.match_indices("\\\"");
        let end = quotes.nth(1).map_or_else(
            || after.find([' ', '"']).unwrap_or(after.len()),
            |(offset, quote)| offset + quote.len(),
        );
        rest = &after[end..];
    }
    out + rest
}

const ARGUMENTS: &str = "is_debug=false use_custom_libcxx=true v8_enable_sandbox=false v8_enable_pointer_compression=false v8_enable_v8_checks=false rusty_v8_enable_simdutf=true clang_base_path=\"/usr/lib/llvm-22\" clang_version=\"22\" treat_warnings_as_errors=false v8_monolithic_for_shared_library=true symbol_level=0 enable_rust=false enable_rust_cxx=false use_autogenerated_modules=false";

fn generate(work: &Path) -> anyhow::Result<()> {
    link_clang_runtime()?;
    let tree = work.join("v8");
    run(Command::new("gn").args(["gen", "out", &format!("--args={ARGUMENTS}")]).current_dir(&tree))?;
    // That gn writes a rule name with `++` in it, which ninja refuses.
    let rename = "__buildtools_third_party_libc++_";
    let output =
        Command::new("grep").args(["-rl", "--include=*.ninja", rename]).arg(tree.join("out")).output()?;
    for file in String::from_utf8_lossy(&output.stdout).lines() {
        let text = fs::read_to_string(file)?;
        fs::write(file, text.replace(rename, "__buildtools_third_party_libcxx_"))?;
    }
    Ok(())
}

/// clang looks for its builtins under a name that Debian's package does not use.
fn link_clang_runtime() -> anyhow::Result<()> {
    let base = PathBuf::from(LLVM).join("lib/clang/22/lib");
    let wanted = base.join("x86_64-unknown-linux-gnu/libclang_rt.builtins.a");
    if wanted.exists() {
        return Ok(());
    }
    let here = base.join("linux/libclang_rt.builtins-x86_64.a");
    let advice = || {
        format!(
            "clang's runtime is not where the build looks. As root:\n\n    mkdir -p {}\n    ln -s {} {}\n",
            wanted.parent().unwrap_or(&base).display(),
            here.display(),
            wanted.display()
        )
    };
    fs::create_dir_all(wanted.parent().unwrap_or(&base)).with_context(advice)?;
    std::os::unix::fs::symlink(&here, &wanted).with_context(advice)
}

/// Runs ninja, passing its progress on now and then.
fn compile(work: &Path, objects: Option<usize>) -> anyhow::Result<()> {
    let mut child = Command::new("ninja")
        .args(["-C", "out", "rusty_v8"])
        .env("NINJA_STATUS", "[%f/%t] ")
        .current_dir(work.join("v8"))
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start ninja")?;
    let lines = BufReader::new(child.stdout.take().context("no output")?).lines();
    let mut shown = 0;
    let mut trouble = Vec::new();
    for line in lines.map_while(Result::ok) {
        let count = line.strip_prefix('[').and_then(|rest| rest.split('/').next()?.parse::<usize>().ok());
        let Some(count) = count else {
            trouble.push(line);
            continue;
        };
        if count >= shown + 25 {
            shown = count;
            say(&format!("    {line}").chars().take(120).collect::<String>());
        }
        if objects.is_some_and(|objects| count >= objects) {
            child.kill().context("cannot stop ninja")?;
            let _ = child.wait();
            return Ok(());
        }
    }
    let status = child.wait().context("ninja vanished")?;
    if !status.success() {
        let tail = trouble.iter().rev().take(40).rev().cloned().collect::<Vec<_>>().join("\n");
        bail!("ninja failed:\n{tail}\n\nThe same command goes on from here once the cause is gone.");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_files_lose_what_an_older_gn_does_not_know() {
        assert_eq!(without_calls("a = path_exists(\"x(y)\") && b", "path_exists", "true"), "a = true && b");
        assert_eq!(without_assignment("x = 1\n  ys = [\n    1,\n  ]\nz = 2", "ys"), "x = 1\nz = 2\n");
        assert_eq!(without_lines("a\n  \"-fno-lifetime-dse\",\nb", &["-fno-lifetime-dse"]), "a\nb\n");
        assert_eq!(without_module_names(r#"f = " -fmodule-name=\"{{n}}_Private\"""#), r#"f = """#);
    }
}
