class _R:
    def start_recovery(self): pass
runtime=_R()
