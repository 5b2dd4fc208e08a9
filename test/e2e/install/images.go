package install

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/pitot-autoscaling/pitot/test/e2e/image"
	"github.com/pitot-autoscaling/pitot/test/e2e/testbin"
)

// version is what the image is built as.
const version = "v0.0.0-e2e"

// images are the archives of all images that the test runs.
type images struct {
	archives []string
	pitot    string // the name of Pitot's
}

// makeImages makes them in a folder.
func makeImages(folder string) (images, error) {
	pitot, name, err := pitotImage(folder)
	if err != nil {
		return images{}, err
	}
	prometheus, err := prometheusImage(folder)
	if err != nil {
		return images{}, err
	}
	shop, err := shopImage(folder)
	return images{archives: []string{pitot, prometheus, shop}, pitot: name}, err
}

// pitotImage is the very image of a release, as "make image" builds it.
func pitotImage(folder string) (archive, name string, err error) {
	checkout, err := testbin.Checkout()
	if err != nil {
		return "", "", err
	}
	command := exec.Command("hack/image.sh", folder)
	command.Dir, command.Env = checkout, append(os.Environ(), "VERSION="+version, "GOWORK=off")
	if out, err := command.CombinedOutput(); err != nil {
		return "", "", fmt.Errorf("hack/image.sh: %w: %s", err, out)
	}
	text, err := os.ReadFile(filepath.Join(folder, "name"))
	return filepath.Join(folder, "pitot-"+runtime.GOARCH+".tar"), strings.TrimSpace(string(text)), err
}

func prometheusImage(folder string) (archive string, err error) {
	programs, err := testbin.Folder("prometheus")
	if err != nil {
		return "", err
	}
	layer := filepath.Join(folder, "prometheus.layer")
	if err := image.WriteLayer(layer, image.Copy{From: filepath.Join(programs, "prometheus"), To: "/bin/prometheus"}); err != nil {
		return "", err
	}
	archive = filepath.Join(folder, "prometheus.tar")
	return archive, image.Image{
		Name: "local.test/prometheus:1", Layers: []string{layer}, Entrypoint: []string{"/bin/prometheus"},
	}.Write(archive)
}

// gunicorn runs the application as its Dockerfile would.
const gunicorn = "gunicorn --bind 0.0.0.0:8080 --workers 1 --threads 8 app:app"

// shopImage is Python and the application of the cluster test.
func shopImage(folder string) (archive string, err error) {
	python, err := image.PythonLayer()
	if err != nil {
		return "", err
	}
	layer := filepath.Join(folder, "shop.layer")
	if err := image.WriteLayer(layer, image.Copy{From: "../apps/shop/app.py", To: "/app/app.py"}); err != nil {
		return "", err
	}
	archive = filepath.Join(folder, "shop.tar")
	return archive, image.Image{
		Name: "local.test/shop:1", Layers: []string{python, layer}, Entrypoint: strings.Fields(gunicorn), WorkingDir: "/app",
	}.Write(archive)
}
