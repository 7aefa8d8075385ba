package isolate

import (
	"errors"
	"fmt"

	v8 "rogchap.com/v8go"

	"example.com/jsruntime/engine/internal/webapi"
)

// lent is the name under which globalThis has a value that C++ or the binding hands to our JavaScript, for the time of a call.
const lent = "jsruntime:lent"

// within calls do in the midst of a call of JavaScript, so that a context is entered. The result is the value that do has lent; the caller
// releases it.
func (i *Isolate) within(do func() error) (*v8.Value, error) {
	i.work = do
	defer func() { i.work = nil }()
	return i.invoke(fnWithin)
}

// compileByBinding compiles the web API's text where V8 does not do it as we ask it to.
func (i *Isolate) compileByBinding() error {
	var opts v8.CompileOptions
	if i.runtime.cache != nil {
		opts.CachedData = &v8.CompilerCachedData{Bytes: i.runtime.cache}
	}
	var err error
	if i.unbound, err = i.v8.CompileUnboundScript(string(i.runtime.source), webapi.Origin, opts); err != nil {
		return fmt.Errorf("compile web API: %w", err)
	}
	return nil
}

// runWebAPI runs the web API in a new context, and lends its value.
func (i *Isolate) runWebAPI() error {
	if i.unbound != nil {
		files, err := i.unbound.Run(i.ctx)
		if err != nil {
			return fmt.Errorf("run web API: %w", err)
		}
		defer files.Release()
		global := i.ctx.Global()
		defer global.Release()
		return global.Set(lent, files)
	}
	r := i.runtime
	if i.webAPI == nil {
		accepted := false
		if i.webAPI, accepted = compile(r.text, "", webapi.Origin, r.cache); i.webAPI == nil {
			return errors.New("native: the web API does not compile")
		}
		if !accepted {
			r.cache = nil // of other flags: New makes it anew
		}
	}
	return orError(run(i.webAPI, lent), "native: the web API does not run")
}

// save keeps V8's code of the web API for isolates to come.
func (i *Isolate) save() error {
	if i.unbound != nil {
		i.runtime.cache = i.unbound.CreateCodeCache().Bytes
		return nil
	}
	v, err := i.within(func() error {
		i.runtime.cache = codeCache(i.webAPI)
		return orError(i.runtime.cache != nil, "native: V8 makes no code of the web API")
	})
	if err != nil {
		return err
	}
	v.Release()
	return nil
}

// define runs a script and returns its value. Where a code cache is not wanted, and for the error of a script that fails, the binding does it.
func (i *Isolate) define(s *Script) (*v8.Value, error) {
	i.refused = false
	if compiles() && (len(s.Cache) > 0 || s.Compile) {
		if v, err := i.defineCached(s); v != nil || err != nil {
			return v, err
		}
	}
	return i.ctx.RunScript(s.Source, scriptOrigin)
}

// defineCached compiles a script with a code cache or for one, and runs it. It returns nil where the script fails.
func (i *Isolate) defineCached(s *Script) (*v8.Value, error) {
	v, err := i.within(func() error {
		accepted := false
		i.loaded, accepted = compile(nil, s.Source, scriptOrigin, s.Cache)
		i.refused = len(s.Cache) > 0 && !accepted
		if i.loaded != nil {
			run(i.loaded, lent)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if !v.IsFunction() {
		v.Release()
		return nil, nil
	}
	return v, nil
}

// CacheRefused says that V8 did not take the Script's Cache. It is then as if there were none.
func (i *Isolate) CacheRefused() bool { return i.refused }

// CodeCache returns V8's code of the script that was loaded with Compile, of all functions that have run so far; nil where V8 makes none.
func (i *Isolate) CodeCache() ([]byte, error) {
	if i.loaded == nil {
		return nil, nil
	}
	var code []byte
	v, err := i.within(func() error {
		code = codeCache(i.loaded)
		return nil
	})
	if err != nil {
		return nil, err
	}
	v.Release()
	return code, nil
}
