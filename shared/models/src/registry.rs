//! The models that this process may use.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use domain::Quantization;
use sha2::{Digest as _, Sha256};

use crate::bucket::{BucketFolder, ModelBucket};
use crate::{ModelFile, ModelManifest, ModelVariant, ModelsError};

pub(crate) const MANIFEST: &str = "model.json";
/// Bytes of a file that are in memory at once.
const HASHED_AT_ONCE: usize = 1 << 20;

/// Every model folder of some directories and, if there is one, of a bucket, by name.
#[derive(Debug)]
pub struct ModelRegistry {
    /// Those of the directories.
    local: Vec<Arc<ModelFolder>>,
    bucket: Option<ModelBucket>,
}

/// One model: its manifest and where its files are.
#[derive(Debug, Clone)]
pub struct ModelFolder {
    /// What the model is.
    pub manifest: ModelManifest,
    /// The folder. Of a model from a bucket, where its files are put when they are first asked for.
    pub path: PathBuf,
    /// Where files come from that are not in the folder.
    pub(crate) source: Option<BucketFolder>,
}

impl ModelRegistry {
    /// Reads the manifest of every folder in `models_dir`. Folders without one are not models.
    ///
    /// Only manifests are read: a function that asks about a model needs no graph, so files are
    /// looked for when somebody opens them.
    ///
    /// # Errors
    /// When the directory cannot be read, holds no model, or a manifest is wrong. One bad folder
    /// fails the whole registry: a model that silently went missing would be harder to find.
    pub fn open(models_dir: &Path) -> Result<Self, ModelsError> {
        Self::open_all(&[models_dir.to_owned()], None)
    }

    /// The same of several directories, and of a bucket: `s3://bucket/prefix`, whose folders are looked at
    /// when a name is asked for that no directory has. Without a bucket each directory must be there and
    /// one must hold a model.
    ///
    /// # Errors
    /// As for one directory, and when the bucket's address is none.
    pub fn open_all(models_dirs: &[PathBuf], models_url: Option<&str>) -> Result<Self, ModelsError> {
        let cache = std::env::temp_dir().join("semantik-models");
        let bucket = models_url.map(|url| ModelBucket::open(url, &cache)).transpose()?;
        let unreadable = |path: &Path| {
            let path = path.to_owned();
            move |source: io::Error| ModelsError::Unreadable { path, source }
        };
        let mut local = Vec::new();
        for models_dir in models_dirs {
            let entries = match fs::read_dir(models_dir) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && bucket.is_some() => continue,
                entries => entries.map_err(unreadable(models_dir))?,
            };
            for entry in entries {
                let path = entry.map_err(unreadable(models_dir))?.path();
                local.extend(ModelFolder::read(path)?.map(Arc::new));
            }
        }
        if local.is_empty() && bucket.is_none() {
            return Err(ModelsError::Empty { path: models_dirs.first().cloned().unwrap_or_default() });
        }
        sort(&mut local)?;
        Ok(Self { local, bucket })
    }

    /// The model of exactly this name, or the error that lists those that exist.
    ///
    /// # Errors
    /// [`ModelsError::Unknown`], or when the bucket cannot be read.
    pub fn require(&self, name: &str) -> Result<Arc<ModelFolder>, ModelsError> {
        let is_called = |folder: &&Arc<ModelFolder>| folder.manifest.name == name;
        if let Some(folder) = self.local.iter().find(is_called) {
            return Ok(Arc::clone(folder));
        }
        if let Some(folder) = self.bucket.as_ref().and_then(|bucket| bucket.known(name)) {
            return Ok(folder);
        }
        // It may have come to the bucket since that was last looked at.
        let folders = self.folders()?;
        folders.iter().find(is_called).cloned().ok_or_else(|| ModelsError::Unknown {
            name: name.to_owned(),
            known: folders.iter().map(|folder| folder.manifest.name.clone()).collect(),
        })
    }

    /// All models, sorted by name.
    ///
    /// # Errors
    /// When the bucket cannot be read, or two models share a name.
    pub fn folders(&self) -> Result<Vec<Arc<ModelFolder>>, ModelsError> {
        let mut folders = self.local.clone();
        if let Some(bucket) = &self.bucket {
            folders.extend(bucket.folders()?);
            sort(&mut folders)?;
        }
        Ok(folders)
    }
}

impl ModelFolder {
    /// A folder on local disk whose manifest is known; nothing is looked for.
    pub fn local(manifest: ModelManifest, path: PathBuf) -> Self {
        Self { manifest, path, source: None }
    }

    /// Where the folder is, for people.
    fn place(&self) -> PathBuf {
        self.source.as_ref().map_or_else(|| self.path.clone(), BucketFolder::url)
    }

    /// Where the tokenizer is.
    ///
    /// # Errors
    /// [`ModelsError::MissingFile`] when it is not there.
    pub fn tokenizer_path(&self) -> Result<PathBuf, ModelsError> {
        self.existing(&self.manifest.tokenizer, "copy it from where the model came from")
    }

    /// Where the vectors of its tokens are, if it has such.
    ///
    /// # Errors
    /// [`ModelsError::MissingFile`] when they are not where the manifest says.
    pub fn static_vectors_path(&self) -> Result<Option<PathBuf>, ModelsError> {
        let remedy = "run scripts/make-model or scripts/import-model";
        self.manifest.static_vectors.as_ref().map(|file| self.existing(file, remedy)).transpose()
    }

    /// The precision of the graph that embeds for collections of this quantization.
    pub fn precision(&self, quantization: Quantization) -> Quantization {
        self.manifest.variants.choose(quantization).map_or(quantization, |(precision, _)| precision)
    }

    /// The graph that embeds for collections of this quantization: where it is, and whether it is
    /// optimised. Its weights, if they are a file of their own, are there too.
    ///
    /// # Errors
    /// [`ModelsError::MissingFile`] when the graph or its weights are not there.
    pub fn graph(&self, quantization: Quantization) -> Result<(PathBuf, bool), ModelsError> {
        let remedy = "run scripts/make-model or scripts/import-model, or put the file there";
        let Some((_, variant)) = self.manifest.variants.choose(quantization) else {
            let (folder, file) = (self.path.clone(), "a graph".to_owned());
            return Err(ModelsError::MissingFile { folder, file, remedy });
        };
        if let Some(weights) = &variant.weights {
            self.existing(weights, remedy)?;
        }
        Ok((self.existing(&variant.graph, remedy)?, variant.optimized))
    }

    /// How large that graph is with its weights, in bytes.
    ///
    /// # Errors
    /// [`ModelsError::Unreadable`] when it is not there, which [`Self::graph`] looks for first.
    pub fn graph_bytes(&self, quantization: Quantization) -> Result<u64, ModelsError> {
        let variant = self.manifest.variants.choose(quantization).map(|(_, variant)| variant);
        let sizes = variant.into_iter().flat_map(ModelVariant::files).map(|file| {
            let path = self.path.join(&file.name);
            let size = fs::metadata(&path).map(|metadata| metadata.len());
            size.map_err(|source| ModelsError::Unreadable { path, source })
        });
        sizes.sum()
    }

    /// Compares what embeds for collections of this quantization with the SHA-256 of each file in the
    /// manifest: a damaged graph still embeds, wrongly, and nobody sees it. Files of which the manifest
    /// has none are taken as they are. Reads every byte: run it beside what else takes time.
    ///
    /// # Errors
    /// [`ModelsError::Damaged`], or [`ModelsError::Unreadable`].
    pub fn verify(&self, quantization: Quantization) -> Result<(), ModelsError> {
        let variant = self.manifest.variants.choose(quantization).map(|(_, variant)| variant);
        let files = variant.into_iter().flat_map(ModelVariant::files).chain([&self.manifest.tokenizer]);
        for file in files {
            let Some(expected) = &file.sha256 else { continue };
            let path = self.path.join(&file.name);
            let got = match sha256(&path) {
                Ok(got) => got,
                Err(source) => return Err(ModelsError::Unreadable { path, source }),
            };
            if !got.eq_ignore_ascii_case(expected) {
                return Err(ModelsError::Damaged { path, got, expected: expected.clone() });
            }
        }
        Ok(())
    }

    /// The model in one folder, if it is one.
    fn read(path: PathBuf) -> Result<Option<Self>, ModelsError> {
        let manifest_path = path.join(MANIFEST);
        let bytes = match fs::read(&manifest_path) {
            Ok(bytes) => bytes,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(source) => return Err(ModelsError::Unreadable { path: manifest_path, source }),
        };
        let manifest = ModelManifest::read(&manifest_path, &bytes)?;
        Ok(Some(Self { manifest, path, source: None }))
    }

    /// Where the file is. The weights of a graph are found by the graph: they must be beside it.
    fn existing(&self, file: &ModelFile, remedy: &'static str) -> Result<PathBuf, ModelsError> {
        let path = self.path.join(&file.name);
        if path.is_file() {
            return Ok(path);
        }
        if let Some(source) = &self.source {
            source.fetch(file, &path)?;
            return Ok(path);
        }
        Err(ModelsError::MissingFile { folder: self.path.clone(), file: file.name.clone(), remedy })
    }
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// In hexadecimal.
fn sha256(path: &Path) -> io::Result<String> {
    let mut file = fs::File::open(path)?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; HASHED_AT_ONCE];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(hexadecimal(&digest.finalize()));
        }
        digest.update(&buffer[..read]);
    }
}

/// By name. Names find models, and short names keep their vectors apart in Qdrant: both must be unique.
fn sort(folders: &mut [Arc<ModelFolder>]) -> Result<(), ModelsError> {
    folders.sort_by(|a, b| a.manifest.name.cmp(&b.manifest.name));
    for (index, folder) in folders.iter().enumerate() {
        for earlier in &folders[..index] {
            let (ours, theirs) = (&folder.manifest, &earlier.manifest);
            let name = if ours.name == theirs.name {
                &ours.name
            } else if ours.short_name == theirs.short_name {
                &ours.short_name
            } else {
                continue;
            };
            return Err(ModelsError::Duplicate {
                name: name.clone(),
                first: earlier.place(),
                second: folder.place(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add_model(models_dir: &Path, folder: &str, name: &str, short_name: &str) -> PathBuf {
        let path = models_dir.join(folder);
        fs::create_dir(&path).unwrap();
        let manifest = serde_json::json!({
            "name": name, "short_name": short_name, "dimension": 4, "max_tokens": 64,
            "special_tokens": 2, "pooling": "cls", "normalize": true,
        });
        fs::write(path.join(MANIFEST), manifest.to_string()).unwrap();
        path
    }

    fn names(registry: &ModelRegistry) -> Vec<String> {
        registry.folders().unwrap().iter().map(|folder| folder.manifest.name.clone()).collect()
    }

    #[test]
    fn every_folder_with_a_manifest_is_a_model() {
        let models_dir = tempfile::tempdir().unwrap();
        add_model(models_dir.path(), "one", "org/b", "b");
        add_model(models_dir.path(), "two", "org/a", "a");
        fs::create_dir(models_dir.path().join("not-a-model")).unwrap();
        fs::write(models_dir.path().join("README.md"), "words").unwrap();

        let registry = ModelRegistry::open(models_dir.path()).unwrap();
        assert_eq!(names(&registry), ["org/a", "org/b"]);
        assert_eq!(registry.require("org/a").unwrap().path, models_dir.path().join("two"));
        assert!(matches!(registry.require("a").unwrap_err(), ModelsError::Unknown { .. }));
        let error = registry.require("org/c").unwrap_err();
        assert_eq!(error.to_string(), r#"there is no model "org/c"; choose one of org/a, org/b"#);
    }

    #[test]
    fn models_may_be_in_several_directories() {
        let [first, second] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let both = [first.path().to_owned(), second.path().to_owned()];
        assert!(matches!(ModelRegistry::open_all(&both, None).unwrap_err(), ModelsError::Empty { .. }));
        add_model(first.path(), "one", "org/b", "b");
        assert_eq!(names(&ModelRegistry::open_all(&both, None).unwrap()), ["org/b"]);
        add_model(second.path(), "one", "org/a", "a");
        assert_eq!(names(&ModelRegistry::open_all(&both, None).unwrap()), ["org/a", "org/b"]);
        add_model(second.path(), "two", "org/b", "other");
        assert!(matches!(ModelRegistry::open_all(&both, None).unwrap_err(), ModelsError::Duplicate { .. }));
    }

    #[test]
    fn a_model_without_its_graph_loads_and_says_so_when_opened() {
        let models_dir = tempfile::tempdir().unwrap();
        let path = add_model(models_dir.path(), "one", "org/a", "a");
        fs::write(path.join("tokenizer.json"), "{}").unwrap();

        let registry = ModelRegistry::open(models_dir.path()).unwrap();
        let model = registry.require("org/a").unwrap();
        assert_eq!(model.tokenizer_path().unwrap(), path.join("tokenizer.json"));
        let error = model.graph(Quantization::Float32).unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "the model folder {} lacks model.onnx; run scripts/make-model or scripts/import-model, or put the file there",
                path.display()
            )
        );
    }

    #[test]
    fn a_file_that_is_not_the_manifests_is_told() {
        let models_dir = tempfile::tempdir().unwrap();
        let path = add_model(models_dir.path(), "one", "org/a", "a");
        let mut manifest: serde_json::Value =
            serde_json::from_slice(&fs::read(path.join(MANIFEST)).unwrap()).unwrap();
        // Of "{}".
        let sha256 = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        manifest["tokenizer"] = serde_json::json!({ "name": "tokenizer.json", "sha256": sha256 });
        fs::write(path.join(MANIFEST), manifest.to_string()).unwrap();
        let registry = ModelRegistry::open(models_dir.path()).unwrap();
        let model = registry.require("org/a").unwrap();

        let absent = model.verify(Quantization::Int8).unwrap_err();
        assert!(matches!(absent, ModelsError::Unreadable { .. }), "{absent}");
        fs::write(path.join("tokenizer.json"), "{}").unwrap();
        model.verify(Quantization::Int8).unwrap();
        fs::write(path.join("tokenizer.json"), "{ }").unwrap();
        let damaged = model.verify(Quantization::Int8).unwrap_err().to_string();
        assert!(damaged.contains("tokenizer.json is damaged") && damaged.contains(sha256), "{damaged}");
    }

    #[test]
    fn absent_and_empty_directories_say_what_to_do() {
        let models_dir = tempfile::tempdir().unwrap();
        let empty = ModelRegistry::open(models_dir.path()).unwrap_err().to_string();
        assert!(empty.contains(&models_dir.path().display().to_string()), "{empty}");
        assert!(empty.contains("run scripts/make-model"), "{empty}");
        let absent = models_dir.path().join("absent");
        let error = ModelRegistry::open(&absent).unwrap_err();
        assert!(matches!(error, ModelsError::Unreadable { path, .. } if path == absent));
    }

    #[test]
    fn one_bad_manifest_fails_the_registry_and_names_its_file() {
        let models_dir = tempfile::tempdir().unwrap();
        add_model(models_dir.path(), "good", "org/a", "a");
        let bad = models_dir.path().join("bad");
        fs::create_dir(&bad).unwrap();
        fs::write(bad.join(MANIFEST), r#"{"name": "org/b"}"#).unwrap();
        let error = ModelRegistry::open(models_dir.path()).unwrap_err();
        assert_eq!(error.to_string(), format!("{} is not a model manifest", bad.join(MANIFEST).display()));
    }

    #[test]
    fn two_models_never_share_a_name_or_a_short_name() {
        for (name, short_name) in [("org/a", "other"), ("org/other", "a")] {
            let models_dir = tempfile::tempdir().unwrap();
            add_model(models_dir.path(), "one", "org/a", "a");
            add_model(models_dir.path(), "two", name, short_name);
            let error = ModelRegistry::open(models_dir.path()).unwrap_err();
            assert!(matches!(error, ModelsError::Duplicate { .. }), "{error}");
        }
    }
}
