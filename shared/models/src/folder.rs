//! One model folder: its manifest and its files.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use domain::Quantization;
use sha2::{Digest as _, Sha256};

use crate::bucket_folder::BucketFolder;
use crate::manifest::MANIFEST;
use crate::{ModelFile, ModelManifest, ModelVariant, ModelsError};

/// The size of the buffer for hashing a file, in bytes.
const HASH_BUFFER_BYTES: usize = 1 << 20;

/// One model: its manifest and where its files are.
#[derive(Debug, Clone)]
pub struct ModelFolder {
    /// The manifest.
    pub manifest: ModelManifest,
    /// The local directory. Files of a model in a bucket are downloaded to it when they are first needed.
    pub path: PathBuf,
    /// Where missing files are downloaded from.
    pub(crate) source: Option<BucketFolder>,
}

impl ModelFolder {
    /// Creates a folder on local disk from its manifest, without checking its files.
    pub fn local(manifest: ModelManifest, path: PathBuf) -> Self {
        Self { manifest, path, source: None }
    }

    /// Returns the folder's path or URL, for messages.
    pub(crate) fn display_path(&self) -> PathBuf {
        self.source.as_ref().map_or_else(|| self.path.clone(), BucketFolder::url)
    }

    /// Returns the path of the tokenizer.
    ///
    /// # Errors
    /// Returns `MissingFile` if it does not exist.
    pub fn tokenizer_path(&self) -> Result<PathBuf, ModelsError> {
        self.existing(&self.manifest.tokenizer, "copy it from the original model")
    }

    /// Returns the path of the static token vectors, if the model has them.
    ///
    /// # Errors
    /// Returns `MissingFile` if the manifest names them and they do not exist.
    pub fn static_vectors_path(&self) -> Result<Option<PathBuf>, ModelsError> {
        let remedy = "run scripts/make-model or scripts/import-model";
        self.manifest.static_vectors.as_ref().map(|file| self.existing(file, remedy)).transpose()
    }

    /// Returns the precision of the graph that is used for collections with this quantization.
    pub fn precision(&self, quantization: Quantization) -> Quantization {
        self.manifest.variants.choose(quantization).map_or(quantization, |(precision, _)| precision)
    }

    /// Returns the path of the graph that is used for collections with this quantization, and whether it is
    /// already optimized. If its weights are a separate file, that exists too.
    ///
    /// # Errors
    /// Returns `MissingFile` if the graph or its weights do not exist.
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

    /// Returns the size of that graph with its weights, in bytes.
    ///
    /// # Errors
    /// Returns `Unreadable` if it does not exist; call [`Self::graph`] first.
    pub fn graph_bytes(&self, quantization: Quantization) -> Result<u64, ModelsError> {
        let variant = self.manifest.variants.choose(quantization).map(|(_, variant)| variant);
        let sizes = variant.into_iter().flat_map(ModelVariant::files).map(|file| {
            let path = self.path.join(&file.name);
            let size = fs::metadata(&path).map(|metadata| metadata.len());
            size.map_err(|source| ModelsError::Unreadable { path, source })
        });
        sizes.sum()
    }

    /// Verifies the SHA-256 of the graph, weights and tokenizer for this quantization: a damaged graph would produce
    /// wrong vectors without an error. Files without a checksum in the manifest are skipped. Reads every byte,
    /// so run it in parallel to other slow work.
    ///
    /// # Errors
    /// Returns `ChecksumMismatch`, or `Unreadable`.
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
                return Err(ModelsError::ChecksumMismatch { path, got, expected: expected.clone() });
            }
        }
        Ok(())
    }

    /// Reads the model in a directory, or `None` if it has no manifest.
    pub(crate) fn read(path: PathBuf) -> Result<Option<Self>, ModelsError> {
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

    /// Returns the path of a file, downloading it if necessary. A graph expects its weights beside it.
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

/// Returns the SHA-256 of a file in hexadecimal.
fn sha256(path: &Path) -> io::Result<String> {
    let mut file = fs::File::open(path)?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; HASH_BUFFER_BYTES];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(hex::encode(digest.finalize()));
        }
        digest.update(&buffer[..read]);
    }
}
