package cert

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Save writes a new authority's files. It fails with [fs.ErrExist] if either is
// there, and leaves it as it is.
func (a *Authority) Save(certFile, keyFile string) error {
	for _, name := range []string{certFile, keyFile} {
		if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
			return &fs.PathError{Op: "make an authority", Path: name, Err: fs.ErrExist}
		}
	}
	// The key first: a certificate without its key would look finished.
	if err := writeNew(keyFile, a.pair.Key, 0o600); err != nil {
		return err
	}
	if err := writeNew(certFile, a.pair.Certificate, 0o644); err != nil {
		return errors.Join(err, os.Remove(keyFile))
	}
	return nil
}

// Save writes a node's files, over those of an earlier certificate if there are.
// A Source that looks between the two renames finds that they do not fit, and
// keeps what it has.
func (p Pair) Save(certFile, keyFile string) error {
	if err := replace(keyFile, p.Key, 0o600); err != nil {
		return err
	}
	return replace(certFile, p.Certificate, 0o644)
}

// replace writes a file beside the one of that name, and renames it.
func replace(name string, content []byte, mode fs.FileMode) error {
	temp, err := os.CreateTemp(filepath.Dir(name), ".new-*") // with mode 0600
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	_, err = temp.Write(content)
	err = errors.Join(err, temp.Sync(), temp.Close())
	if err == nil {
		err = os.Chmod(temp.Name(), mode)
	}
	if err == nil {
		err = os.Rename(temp.Name(), name)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, errors.Join(err, os.Remove(temp.Name())))
	}
	return nil
}

// writeNew writes a file that must not be there.
func writeNew(name string, content []byte, mode fs.FileMode) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", name, errors.Join(err, os.Remove(name)))
	}
	return nil
}
