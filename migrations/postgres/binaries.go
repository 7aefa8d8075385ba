package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

// account is the user that Postgres runs as when we are root.
type account struct{ uid, gid int }

// accountFor returns nil where Postgres can run as we do.
func accountFor(data string) (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	if info, err := os.Stat(data); err == nil {
		if owner, ok := info.Sys().(*syscall.Stat_t); ok && owner.Uid != 0 {
			return &account{uid: int(owner.Uid), gid: int(owner.Gid)}, nil
		}
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUID := strconv.Atoi(u.Uid)
		gid, errGID := strconv.Atoi(u.Gid)
		if err := errors.Join(errUID, errGID); err != nil {
			return nil, fmt.Errorf("user %s: %w", name, err)
		}
		if uid != 0 {
			return &account{uid: uid, gid: gid}, nil
		}
	}
	return &account{uid: 65534, gid: 65534}, nil // the kernel's overflow ids, usually named nobody
}

// binaryPlaces are where distributions and Homebrew put each major version.
var binaryPlaces = []string{
	"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin", "/usr/lib/postgresql/bin", "/usr/libexec/postgresql*",
	"/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin", "/Library/PostgreSQL/*/bin",
}

// Installed lists the directories of this machine that hold postgres and initdb, newest version first.
func Installed() []string {
	var dirs []string
	for _, place := range binaryPlaces {
		found, _ := filepath.Glob(place) // fails for a malformed pattern only
		dirs = append(dirs, found...)
	}
	newestFirst(dirs)
	if path, err := exec.LookPath("postgres"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(path))
		}
	}
	complete := dirs[:0]
	for _, dir := range dirs {
		if hasBinaries(dir) {
			complete = append(complete, dir)
		}
	}
	return complete
}

func hasBinaries(dir string) bool {
	for _, name := range []string{"postgres", "initdb"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode()&0o111 == 0 {
			return false
		}
	}
	return true
}

// findBinaries returns a directory of binaries that can open the cluster.
func (s *Server) findBinaries(ctx context.Context) (string, error) {
	wanted := ""
	if text, err := os.ReadFile(filepath.Join(s.dir, "data", "PG_VERSION")); err == nil {
		wanted = strings.TrimSpace(string(text))
	}
	candidates := Installed()
	if s.cfg.Binaries != "" {
		if !hasBinaries(s.cfg.Binaries) {
			return "", fmt.Errorf("Binaries: %s holds no postgres and initdb", s.cfg.Binaries)
		}
		candidates = []string{s.cfg.Binaries}
	}
	for _, dir := range candidates {
		if wanted == "" {
			return dir, nil
		}
		if version, err := majorVersion(ctx, filepath.Join(dir, "postgres")); err == nil && version == wanted {
			return dir, nil
		}
	}
	if s.cfg.Binaries != "" {
		return "", fmt.Errorf("Binaries: the cluster was made by Postgres %s, which %s is not", wanted, s.cfg.Binaries)
	}
	if s.cfg.Temporary {
		return "", errors.New("no Postgres binaries on this machine")
	}
	return s.download(ctx, wanted)
}

func majorVersion(ctx context.Context, binary string) (string, error) {
	out, err := exec.CommandContext(ctx, binary, "--version").Output() // postgres (PostgreSQL) 15.18 (Debian …)
	if err != nil {
		return "", err
	}
	_, version, _ := strings.Cut(string(out), ") ")
	major, _, _ := strings.Cut(strings.TrimSpace(version), ".")
	return major, nil
}

// downloads are the versions that we fetch: the newest for a new cluster, the same major version for one that exists.
var downloads = []embeddedpostgres.PostgresVersion{
	embeddedpostgres.V17, embeddedpostgres.V18, embeddedpostgres.V16, embeddedpostgres.V15, embeddedpostgres.V14,
}

// download fetches binaries from Maven Central, about 10 MB, once. The library fetches only on its way to starting a server,
// so it is made to start one in a scratch directory; as root, initdb refuses that, and the binaries are there all the same.
func (s *Server) download(ctx context.Context, wanted string) (string, error) {
	version := downloads[0]
	for _, v := range downloads {
		if major, _, _ := strings.Cut(string(v), "."); major == wanted {
			version = v
		}
	}
	root := filepath.Join(s.cfg.DataDir, "postgres-bin")
	if s.account != nil {
		// The other user must be able to walk there.
		root = "/var/cache/jsruntime/postgres-bin"
	}
	root = filepath.Join(root, string(version))
	bin := filepath.Join(root, "bin")
	if hasBinaries(bin) {
		return bin, nil
	}
	s.log.Info("no Postgres on this machine, downloading it", "version", string(version), "to", root)
	scratch, err := os.MkdirTemp("", "jsruntime-download-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(scratch)
	if err := s.choosePort(); err != nil {
		return "", err
	}
	server := embeddedpostgres.NewDatabase(embeddedpostgres.DefaultConfig().Version(version).Logger(io.Discard).
		Port(uint32(s.port)).BinariesPath(root).CachePath(filepath.Join(scratch, "cache")).
		RuntimePath(filepath.Join(scratch, "run")).DataPath(filepath.Join(scratch, "data")))
	failure := server.Start()
	if failure == nil {
		if err := server.Stop(); err != nil {
			return "", fmt.Errorf("download: stop the library's trial server: %w", err)
		}
	}
	if !hasBinaries(bin) {
		return "", fmt.Errorf("no Postgres of version %s on this machine, and the download failed; "+
			"install one (Debian: apt-get install postgresql) or set a database URL: %w", version, failure)
	}
	return bin, nil
}
